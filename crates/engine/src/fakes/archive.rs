//! An archive in memory, with bad days; and a key to sign with.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use halligan_log::key::Kind;
use halligan_log::{Object, SignedCheckpoint, SigningKey, VerifierKey, bundle};
use serde_json::Value;
use tokio::sync::watch;

use super::store::Fault;
use crate::ports::{Archive, ArchiveError, CheckpointSigner, LogReader, SignError, Stored, Tampering, Weakness};

/// The origin of the fakes' log.
pub const ORIGIN: &str = "log.example.com";

/// An archive in memory.
#[derive(Debug)]
pub struct FakeArchive {
    name: String,
    inner: Mutex<Inner>,
    held: watch::Sender<bool>,
    refuses_checkpoints: watch::Sender<bool>,
}

#[derive(Debug, Clone, Default)]
struct Inner {
    objects: BTreeMap<Object, Stored>,
    /// Every checkpoint that ever stood there.
    checkpoints: Vec<Vec<u8>>,
    weaknesses: Vec<Weakness>,
    puts: u64,
    faults: BTreeMap<u64, Fault>,
    down: bool,
}

impl Default for FakeArchive {
    fn default() -> Self {
        Self::named("memory")
    }
}

impl FakeArchive {
    /// An empty archive of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            inner: Mutex::default(),
            held: watch::Sender::new(false),
            refuses_checkpoints: watch::Sender::new(false),
        }
    }

    /// Makes every call fail, or none any more.
    pub fn set_down(&self, down: bool) {
        self.inner().down = down;
    }

    /// Makes every put wait until it is let go.
    pub fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Takes everything but checkpoints, or these again.
    pub fn refuse_checkpoints(&self, refuse: bool) {
        self.refuses_checkpoints.send_replace(refuse);
    }

    /// Makes the `nth` put from now fail; the next one is 0.
    pub fn fail_put(&self, nth: u64, fault: Fault) {
        let mut inner = self.inner();
        let at = inner.puts.saturating_add(nth);
        inner.faults.insert(at, fault);
    }

    /// How many puts were tried.
    #[must_use]
    pub fn puts(&self) -> u64 {
        self.inner().puts
    }

    /// What its settings are from now on.
    pub fn weaken(&self, weaknesses: Vec<Weakness>) {
        self.inner().weaknesses = weaknesses;
    }

    /// Somebody touched a key. What was first written is still read.
    pub fn touch(&self, object: Object, how: Tampering) {
        if let Some(stored) = self.inner().objects.get_mut(&object) {
            stored.tampering = Some(how);
        }
    }

    /// What no archive lets anybody do: other bytes under a key, or none.
    pub fn corrupt(&self, object: Object, bytes: Option<Vec<u8>>) {
        let mut inner = self.inner();
        match bytes {
            Some(bytes) => drop(inner.objects.insert(object, Stored::untouched(bytes))),
            None => drop(inner.objects.remove(&object)),
        }
    }

    /// Everything that it holds.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<Object, Vec<u8>> {
        self.inner().objects.iter().map(|(object, stored)| (*object, stored.bytes.clone())).collect()
    }

    /// Every checkpoint that it ever held, oldest first.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<SignedCheckpoint> {
        self.inner().checkpoints.iter().filter_map(|note| SignedCheckpoint::parse(note).ok()).collect()
    }

    /// How many entries its checkpoint covers.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.checkpoints().last().map_or(0, |signed| signed.checkpoint().size)
    }

    /// The entries that its checkpoint covers, as JSON, in order.
    #[must_use]
    pub fn entries(&self) -> Vec<Value> {
        let (size, objects) = (self.size(), self.objects());
        let mut spans: Vec<_> = (0..size / 256).map(halligan_log::Span::full).collect();
        spans.extend(halligan_log::Span::partial(size));
        let texts = spans.into_iter().flat_map(|span| {
            let bytes = objects.get(&Object::Entries(span)).cloned().unwrap_or_default();
            let texts = bundle::read(&bytes, span.width.into()).unwrap_or_default();
            texts.into_iter().map(|text| serde_json::from_slice(text).unwrap_or_default()).collect::<Vec<Value>>()
        });
        texts.collect()
    }

    /// What somebody finds who restores the archive from a copy that was made now.
    #[must_use]
    pub fn copy(&self) -> Self {
        let inner = Inner { faults: BTreeMap::new(), down: false, ..self.inner().clone() };
        Self { inner: Mutex::new(inner), ..Self::named(&self.name) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn put(&self, object: Object, bytes: &[u8]) -> Result<(), ArchiveError> {
        let mut held = self.held.subscribe();
        // The sender lives as long as this value: waiting ends when it is let go.
        drop(held.wait_for(|held| !held).await.map(|held| *held));
        let mut inner = self.inner();
        let nth = inner.puts;
        inner.puts = nth.saturating_add(1);
        let fault = inner.faults.remove(&nth);
        if inner.down || fault == Some(Fault::NotDone) {
            return Err(ArchiveError::Unavailable("told to fail before it was done".to_owned()));
        }
        match inner.objects.get(&object) {
            Some(there) if object != Object::Checkpoint && there.bytes != bytes => {
                return Err(ArchiveError::Taken { object, found: there.bytes.clone() });
            }
            Some(_) if object != Object::Checkpoint => {}
            _ => drop(inner.objects.insert(object, Stored::untouched(bytes.to_vec()))),
        }
        if object == Object::Checkpoint {
            inner.checkpoints.push(bytes.to_vec());
        }
        match fault {
            Some(_) => Err(ArchiveError::Unavailable("told to fail after it was done".to_owned())),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl LogReader for FakeArchive {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self, object: Object) -> Result<Option<Stored>, ArchiveError> {
        let inner = self.inner();
        if inner.down {
            return Err(ArchiveError::Unavailable("told to fail".to_owned()));
        }
        Ok(inner.objects.get(&object).cloned())
    }
}

#[async_trait]
impl Archive for FakeArchive {
    async fn put_once(&self, object: Object, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.put(object, bytes).await
    }

    async fn put_checkpoint(&self, note: &[u8]) -> Result<(), ArchiveError> {
        if *self.refuses_checkpoints.borrow() {
            return Err(ArchiveError::Refused("told to refuse".to_owned()));
        }
        self.put(Object::Checkpoint, note).await
    }

    async fn weaknesses(&self) -> Result<Vec<Weakness>, ArchiveError> {
        let inner = self.inner();
        if inner.down {
            return Err(ArchiveError::Unavailable("told to fail".to_owned()));
        }
        Ok(inner.weaknesses.clone())
    }
}

/// A key in memory.
#[derive(Debug)]
pub struct FakeSigner {
    key: SigningKey,
    public: VerifierKey,
    down: Mutex<bool>,
}

impl FakeSigner {
    /// The key of [`ORIGIN`] with this seed.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a legal name")]
    pub fn seeded(seed: u8) -> Self {
        let key = SigningKey::from_seed(ORIGIN, [seed; 32]).expect("a legal name");
        Self { public: key.verifier(Kind::Log), key, down: Mutex::new(false) }
    }

    /// Makes every call fail, or none any more.
    pub fn set_down(&self, down: bool) {
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) = down;
    }
}

#[async_trait]
impl CheckpointSigner for FakeSigner {
    fn key(&self) -> &VerifierKey {
        &self.public
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        if *self.down.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(SignError("told to fail".to_owned()));
        }
        Ok(self.key.sign(message))
    }
}
