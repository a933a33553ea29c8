//! Who is signed in, and what is kept of how they come in.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use halligan_core::actor::Principal;
use halligan_core::entry::Draft;
use halligan_core::id::{GroupId, PersonId};
use jiff::Timestamp;

use super::{Ceremony, FakeStore, Inner};
use crate::ports::{
    Ceremonies, LoginGroups, Passkey, PasskeyNews, Passkeys, Proof, Room, SecretHash, Session, Sessions, SignOuts,
    StoreError,
};

impl Inner {
    /// What an import ends: see [`crate::ports::LogRestore`].
    pub(super) fn forget_logins(&mut self) {
        self.sessions.clear();
        self.ceremonies.clear();
        self.groups.clear();
    }

    pub(super) fn learn_of(&mut self, news: PasskeyNews) {
        match news {
            PasskeyNews::Kept(passkey) => drop(self.passkeys.insert(passkey.credential.clone(), passkey)),
            PasskeyNews::Removed(credential) => drop(self.passkeys.remove(&credential)),
        }
    }

    pub(super) fn out_since(&mut self, person: &PersonId, before: Timestamp) {
        let since = self.sign_outs.entry(person.clone()).or_insert(before);
        *since = before.max(*since);
    }

    fn passkeys(&self, wanted: impl Fn(&Passkey) -> bool) -> Vec<Passkey> {
        let mut found: Vec<Passkey> = self.passkeys.values().filter(|passkey| wanted(passkey)).cloned().collect();
        // By credential where two were enrolled at once: they are in that order.
        found.sort_by_key(|passkey| passkey.enrolled_at);
        found
    }
}

/// Removes at most `limit` keys that are wanted gone; returns how many.
macro_rules! forget {
    ($map:expr, $limit:expr, $gone:expr) => {{
        let limit = usize::try_from($limit).unwrap_or(usize::MAX);
        let gone: Vec<_> = $map.iter().filter($gone).map(|(key, _)| key.clone()).take(limit).collect();
        for key in &gone {
            $map.remove(key);
        }
        Ok(u64::try_from(gone.len()).unwrap_or(u64::MAX))
    }};
}

fn sound(key: &SecretHash) -> Result<(), StoreError> {
    key.flaw().map_or(Ok(()), |because| Err(StoreError::Unavailable(format!("it was not written: {because}"))))
}

#[async_trait]
impl Sessions for FakeStore {
    async fn open(&self, session: &Session, entries: Vec<Draft>, now: Timestamp) -> Result<(), StoreError> {
        self.write(|inner| {
            sound(&session.token)?;
            if inner.sessions.contains_key(&session.token) || inner.has_any(&entries) {
                return Err(StoreError::Conflict);
            }
            inner.sessions.insert(session.token.clone(), session.clone());
            inner.append(entries, now);
            Ok(())
        })
    }

    async fn session(&self, token: &SecretHash) -> Result<Option<Session>, StoreError> {
        self.read(|inner| inner.sessions.get(token).cloned())
    }

    async fn touch(&self, token: &SecretHash, proof: &Proof, at: Timestamp) -> Result<(), StoreError> {
        self.write(|inner| {
            let session = inner.sessions.get_mut(token).ok_or(StoreError::Conflict)?;
            *session = session.clone().used(*proof, at);
            Ok(())
        })
    }

    async fn end(&self, token: &SecretHash, entries: Vec<Draft>, now: Timestamp) -> Result<bool, StoreError> {
        self.write(|inner| {
            if !inner.sessions.contains_key(token) {
                return Ok(false);
            }
            if inner.has_any(&entries) {
                return Err(StoreError::Conflict);
            }
            inner.sessions.remove(token);
            inner.append(entries, now);
            Ok(true)
        })
    }

    async fn of(&self, principals: &BTreeSet<Principal>) -> Result<Vec<Session>, StoreError> {
        self.read(|inner| {
            let of_them = inner.sessions.values().filter(|session| principals.contains(&session.principal));
            let mut found: Vec<Session> = of_them.cloned().collect();
            found.sort_by_key(|session| std::cmp::Reverse((session.opened_at, session.id)));
            found
        })
    }

    async fn end_of(&self, principals: &BTreeSet<Principal>) -> Result<u64, StoreError> {
        self.write(|inner| forget!(inner.sessions, u32::MAX, |(_, session)| principals.contains(&session.principal)))
    }

    async fn forget(&self, opened: Timestamp, seen: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let gone = |session: &Session| session.opened_at < opened || session.seen_at < seen;
        self.write(|inner| forget!(inner.sessions, limit, |(_, session)| gone(session)))
    }
}

#[async_trait]
impl SignOuts for FakeStore {
    async fn signed_out(&self, person: &PersonId) -> Result<Option<Timestamp>, StoreError> {
        self.read(|inner| inner.sign_outs.get(person).copied())
    }

    async fn sign_out(
        &self,
        person: &PersonId,
        before: Timestamp,
        principals: &BTreeSet<Principal>,
        entries: Vec<Draft>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write(|inner| {
            if inner.has_any(&entries) {
                return Err(StoreError::Conflict);
            }
            inner.out_since(person, before);
            let open = inner.sessions.len();
            inner.sessions.retain(|_, session| !principals.contains(&session.principal));
            inner.append(entries, now);
            Ok(u64::try_from(open.saturating_sub(inner.sessions.len())).unwrap_or(u64::MAX))
        })
    }
}

#[async_trait]
impl Ceremonies for FakeStore {
    async fn begin(
        &self,
        key: &SecretHash,
        body: &str,
        expires_at: Timestamp,
        room: Room,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|inner| {
            sound(key)?;
            let mut waiting: u32 = 0;
            inner.ceremonies.retain(|_, ceremony| {
                let waits = ceremony.expires_at > now;
                waiting += u32::from(waits && ceremony.room == room.name);
                waits
            });
            if inner.ceremonies.contains_key(key) {
                return Err(StoreError::Conflict);
            }
            let over = (waiting + 1).saturating_sub(room.max);
            for _ in 0..over {
                let of_room = inner.ceremonies.iter().filter(|(_, ceremony)| ceremony.room == room.name);
                let first = of_room.min_by_key(|(key, ceremony)| (ceremony.expires_at, &key.0));
                let Some(first) = first.map(|(key, _)| key.clone()) else { break };
                inner.ceremonies.remove(&first);
            }
            inner.ceremonies.insert(key.clone(), Ceremony { body: body.to_owned(), expires_at, room: room.name });
            Ok(())
        })
    }

    async fn take(&self, key: &SecretHash, now: Timestamp) -> Result<Option<String>, StoreError> {
        self.write(|inner| {
            let taken = inner.ceremonies.remove(key).filter(|ceremony| ceremony.expires_at > now);
            Ok(taken.map(|ceremony| ceremony.body))
        })
    }

    async fn forget_ceremonies(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.write(|inner| forget!(inner.ceremonies, limit, |(_, ceremony)| ceremony.expires_at <= now))
    }
}

#[async_trait]
impl LoginGroups for FakeStore {
    async fn saw_groups(
        &self,
        principal: &Principal,
        groups: &BTreeSet<GroupId>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|inner| {
            if inner.groups.get(principal).is_none_or(|(_, said_at)| *said_at <= at) {
                inner.groups.insert(principal.clone(), (groups.clone(), at));
            }
            Ok(())
        })
    }

    async fn groups_of(
        &self,
        principals: &BTreeSet<Principal>,
        since: Timestamp,
    ) -> Result<BTreeMap<Principal, BTreeSet<GroupId>>, StoreError> {
        self.read(|inner| {
            let said = principals.iter().filter_map(|principal| inner.groups.get_key_value(principal));
            let lately = said.filter(|(_, (_, at))| *at >= since);
            lately.map(|(principal, (groups, _))| (principal.clone(), groups.clone())).collect()
        })
    }

    async fn forget_groups(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.write(|inner| forget!(inner.groups, limit, |(_, (_, at))| *at < before))
    }
}

#[async_trait]
impl Passkeys for FakeStore {
    async fn passkeys_of(&self, person: &PersonId) -> Result<Vec<Passkey>, StoreError> {
        self.read(|inner| inner.passkeys(|passkey| passkey.person == *person))
    }

    async fn passkey(&self, credential: &str) -> Result<Option<Passkey>, StoreError> {
        self.read(|inner| inner.passkeys.get(credential).cloned())
    }

    async fn unconfirmed(&self, limit: u32) -> Result<Vec<Passkey>, StoreError> {
        self.read(|inner| {
            let mut found = inner.passkeys(|passkey| passkey.confirmed.is_none());
            found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            found
        })
    }

    async fn keep(
        &self,
        passkey: &Passkey,
        known: Option<&Passkey>,
        entries: Vec<Draft>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|inner| {
            if let Some(because) = passkey.flaw() {
                return Err(StoreError::Unavailable(format!("it was not written: {because}")));
            }
            if inner.passkeys.get(&passkey.credential) != known || inner.has_any(&entries) {
                return Err(StoreError::Conflict);
            }
            inner.passkeys.insert(passkey.credential.clone(), passkey.clone());
            inner.append(entries, now);
            Ok(())
        })
    }

    async fn remove(&self, credential: &str, entries: Vec<Draft>, now: Timestamp) -> Result<(), StoreError> {
        self.write(|inner| {
            if !inner.passkeys.contains_key(credential) || inner.has_any(&entries) {
                return Err(StoreError::Conflict);
            }
            inner.passkeys.remove(credential);
            inner.append(entries, now);
            Ok(())
        })
    }
}
