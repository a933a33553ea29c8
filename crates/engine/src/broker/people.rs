//! What whoever administers the broker does to others: a lost phone ends by a colleague's hand.

use halligan_core::entry::Subject;
use halligan_core::id::PersonId;
use jiff::Timestamp;

use super::Broker;
use crate::caller::Caller;
use crate::identity::PasskeyStanding;
use crate::problem::Problem;

impl Broker {
    /// The people that the configuration names.
    ///
    /// # Errors
    /// The caller may not administer the broker.
    pub async fn people(&self, caller: &Caller) -> Result<Vec<PersonId>, Problem> {
        self.told_of_people(caller, "read_people", self.identity.people(caller).await).await
    }

    /// Somebody's passkeys.
    ///
    /// # Errors
    /// The caller may not administer the broker, or there is no such person.
    pub async fn passkeys_of(&self, caller: &Caller, person: &str) -> Result<Vec<PasskeyStanding>, Problem> {
        self.told_of_people(caller, "read_people", self.identity.passkeys_of(caller, person).await).await
    }

    /// When somebody was last signed out everywhere.
    ///
    /// # Errors
    /// The caller may not administer the broker.
    pub async fn signed_out_at(&self, caller: &Caller, person: &str) -> Result<Option<Timestamp>, Problem> {
        self.told_of_people(caller, "read_people", self.identity.signed_out_at(caller, person).await).await
    }

    /// Ends every session of somebody's, and every token that was issued to them until now; returns how many sessions there were.
    ///
    /// # Errors
    /// The caller may not administer the broker, there is no such person, or no reason.
    pub async fn sign_out_person(&self, caller: &Caller, person: &str, reason: &str) -> Result<u64, Problem> {
        let outcome = self.identity.sign_out_person(caller, person, reason).await;
        self.told_of_people(caller, "sign_out", outcome).await
    }

    /// Removes somebody's passkey.
    ///
    /// # Errors
    /// The caller may not administer the broker, there is no such passkey, or no reason.
    pub async fn remove_passkey_of(
        &self,
        caller: &Caller,
        person: &str,
        credential: &str,
        reason: &str,
    ) -> Result<(), Problem> {
        let outcome = self.identity.remove_passkey_of(caller, person, credential, reason).await;
        self.told_of_people(caller, "remove_passkey", outcome).await
    }

    async fn told_of_people<T>(
        &self,
        caller: &Caller,
        action: &str,
        outcome: Result<T, Problem>,
    ) -> Result<T, Problem> {
        match outcome {
            Ok(done) => Ok(done),
            Err(problem) => Err(self.refuse(caller, action, Subject::broker("people"), problem).await),
        }
    }
}
