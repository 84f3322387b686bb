//! Images on S3-compatible object storage, shared by several servers.
//!
//! ```text
//! <prefix>/blobs/ab12…        the bytes, by SHA-256, written once
//! <prefix>/images/<name>.json the versions and the current one; a writer that has not seen the last
//!                             change is refused
//! ```

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use imagestore::{Digest, ImageRecord, Manifest, Observer, Origin, Store, StoreError, Version};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{
    Certificate, ClientOptions, Error, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions,
    PutPayload, UpdateVersion,
};
use percent_encoding::percent_decode_str;
use thiserror::Error as ThisError;
use tokio::runtime::Handle;

use crate::settings;

/// A bucket with images.
#[derive(Debug, Clone)]
pub struct Remote {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Handle,
}

/// Why the bucket did not do it.
#[derive(Debug, ThisError)]
pub enum RemoteError {
    /// It cannot be used at all.
    #[error("the object storage {0} cannot be used")]
    Unusable(String, #[source] Box<Error>),
    /// The authority's certificates cannot be used.
    #[error("{0}: {1}")]
    Certificate(PathBuf, String),
    /// The object storage answers with an error.
    #[error("the object storage fails")]
    Failed(#[from] Error),
    /// It takes writes that it should refuse, so two servers could undo each other's.
    #[error(
        "the object storage ignores conditional writes (If-None-Match); images pushed there could be lost"
    )]
    Unconditional,
    /// Others change the image all the time.
    #[error("the image {0:?} is being changed by others; try again")]
    Contended(String),
    /// The local store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bytes have another digest or form than they should.
    #[error("{0} is damaged in the object storage")]
    Damaged(String),
    /// There is no such image.
    #[error("the object storage has no image {0:?}")]
    NoImage(String),
}

impl Remote {
    /// Of a configuration; keys come from the environment, as with other tools
    /// (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`).
    pub fn open(config: &settings::Remote, runtime: Handle) -> Result<Self, RemoteError> {
        // Somebody else may have installed it already; that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let unusable = |error| RemoteError::Unusable(config.url.clone(), Box::new(error));
        let mut client = ClientOptions::new().with_allow_http(config.allow_http);
        if let Some(ca) = &config.ca {
            let pem =
                fs::read(ca).map_err(|error| RemoteError::Certificate(ca.clone(), error.to_string()))?;
            let roots = Certificate::from_pem_bundle(&pem)
                .map_err(|error| RemoteError::Certificate(ca.clone(), error.to_string()))?;
            client = roots.into_iter().fold(client, ClientOptions::with_root_certificate);
        }
        let mut builder = AmazonS3Builder::from_env().with_url(&config.url).with_client_options(client);
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &config.region {
            builder = builder.with_region(region);
        }
        let objects = builder.build().map_err(unusable)?;
        let prefix = config
            .url
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split_once('/'))
            .map_or("", |(_, prefix)| prefix);
        Ok(Remote { objects: Arc::new(objects), prefix: Path::from(prefix), runtime })
    }

    /// Whether a second write under one name is refused, as pushing needs it. One server was found
    /// to ignore that silently.
    pub async fn check(&self) -> Result<(), RemoteError> {
        let probe = self.at("probe", &format!("{}-{}", std::process::id(), rand_name()));
        let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        self.objects.put_opts(&probe, PutPayload::from_static(b"1"), create()).await?;
        let second = self.objects.put_opts(&probe, PutPayload::from_static(b"2"), create()).await;
        self.objects.delete(&probe).await?;
        match second {
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Err(RemoteError::Unconditional),
        }
    }

    /// The images in the bucket, by name.
    pub async fn images(&self) -> Result<BTreeMap<String, ImageRecord>, RemoteError> {
        let folder = self.prefix.clone().join("images");
        let listed: Vec<_> = self.objects.list(Some(&folder)).try_collect().await?;
        let mut images = BTreeMap::new();
        for meta in listed.into_iter().take(MAX_IMAGES) {
            let Some(name) = meta.location.filename().and_then(|file| file.strip_suffix(".json")) else {
                continue;
            };
            let bytes = self.objects.get(&meta.location).await?.bytes().await?;
            // A record of a later version of this program is kept as it is.
            if let Ok(record) = serde_json::from_slice(&bytes) {
                // The parts of paths come percent-encoded.
                images.insert(percent_decode_str(name).decode_utf8_lossy().into_owned(), record);
            }
        }
        Ok(images)
    }

    /// Sends the current version of an image, and makes it the current one there.
    pub async fn push(
        &self,
        store: &Store,
        name: &str,
        observer: &mut dyn Observer,
    ) -> Result<(), RemoteError> {
        self.check().await?;
        let catalogue = store.catalogue()?;
        let record = catalogue.images.get(name).ok_or_else(|| StoreError::NoImage(name.to_owned()))?;
        let version = record.current().ok_or_else(|| StoreError::NoImage(name.to_owned()))?;
        let manifest = store.manifest(&version.manifest)?;
        observer.total(manifest.size());
        let mut sent = HashSet::new();
        for file in manifest.files.iter().filter(|file| file.at.is_none()) {
            observer.file(&file.path);
            if observer.is_cancelled() {
                return Err(StoreError::Cancelled.into());
            }
            if sent.insert(file.digest) {
                self.send(store, &file.digest, file.size, observer).await?;
            } else {
                observer.bytes(file.size);
            }
        }
        let json = manifest.to_json();
        self.objects.put(&self.blob(&version.manifest), PutPayload::from(json)).await?;
        self.publish(name, version).await
    }

    /// Fetches the current version of an image into the local store, and makes it the current one
    /// here.
    pub fn pull(
        &self,
        store: &Store,
        name: &str,
        observer: &mut dyn Observer,
    ) -> Result<ImageRecord, RemoteError> {
        let (record, _) =
            self.runtime.block_on(self.record(name))?.ok_or_else(|| RemoteError::NoImage(name.to_owned()))?;
        let version = record.current().ok_or_else(|| RemoteError::NoImage(name.to_owned()))?.clone();
        let bytes = self
            .runtime
            .block_on(async { self.objects.get(&self.blob(&version.manifest)).await?.bytes().await })?;
        let damaged = || RemoteError::Damaged(format!("the manifest of {name:?}"));
        if Digest::compute(&bytes) != version.manifest {
            return Err(damaged());
        }
        let manifest = Manifest::from_json(&bytes).map_err(|_| damaged())?;
        observer.total(manifest.size());
        let mut writer = store.write()?;
        let new =
            manifest.blobs().iter().filter(|(digest, _)| !writer.hold(digest)).map(|(_, size)| size).sum();
        writer.reserve(new)?;
        for file in manifest.files.iter().filter(|file| file.at.is_none()) {
            observer.file(&file.path);
            if writer.hold(&file.digest) {
                observer.bytes(file.size);
                continue;
            }
            let mut stream = Incoming::start(self.clone(), file.digest);
            let (digest, _) = writer.put(FilePath::new(&file.path), &mut stream, observer)?;
            if digest != file.digest {
                return Err(RemoteError::Damaged(file.path.clone()));
            }
        }
        Ok(writer.commit(name, &manifest, version, observer)?)
    }

    async fn send(
        &self,
        store: &Store,
        digest: &Digest,
        size: u64,
        observer: &mut dyn Observer,
    ) -> Result<(), RemoteError> {
        let place = self.blob(digest);
        match self.objects.head(&place).await {
            Ok(meta) if meta.size == size => {
                observer.bytes(size);
                return Ok(());
            }
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let blob = store.blob(digest)?;
        let mut digester = imagestore::Digester::default();
        let mut upload = self.objects.put_multipart_opts(&place, PutMultipartOptions::default()).await?;
        let mut at = 0;
        while at < size || at == 0 {
            let count = usize::try_from(size - at).unwrap_or(PART).min(PART);
            let mut part = vec![0; count];
            let read = blob.read_exact_at(at, &mut part);
            if read.is_err() {
                upload.abort().await?;
                return Err(StoreError::Blob { digest: *digest, what: "unreadable" }.into());
            }
            if observer.is_cancelled() {
                upload.abort().await?;
                return Err(StoreError::Cancelled.into());
            }
            digester.update(&part);
            upload.put_part(PutPayload::from(part)).await?;
            observer.bytes(count as u64);
            at += count as u64;
            if size == 0 {
                break;
            }
        }
        if digester.finish() != *digest {
            upload.abort().await?;
            return Err(StoreError::Blob { digest: *digest, what: "damaged" }.into());
        }
        upload.complete().await?;
        Ok(())
    }

    /// Adds the version to what is there now, and begins again when somebody else was faster.
    async fn publish(&self, name: &str, version: &Version) -> Result<(), RemoteError> {
        for _ in 0..ATTEMPTS {
            let known = self.record(name).await?;
            let (mut record, mode) = match known {
                Some((record, seen)) => (record, PutMode::Update(seen)),
                None => (ImageRecord::new(version.manifest), PutMode::Create),
            };
            record.current = version.manifest;
            record.versions.retain(|old| old.manifest != version.manifest);
            record.versions.push(version.clone());
            // Plain structs always have a JSON form.
            let json = serde_json::to_vec(&record).unwrap_or_default();
            let options = PutOptions { mode, ..PutOptions::default() };
            match self.objects.put_opts(&self.image(name), PutPayload::from(json), options).await {
                Ok(_) => return Ok(()),
                Err(Error::Precondition { .. } | Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RemoteError::Contended(name.to_owned()))
    }

    async fn record(&self, name: &str) -> Result<Option<(ImageRecord, UpdateVersion)>, RemoteError> {
        let found = match self.objects.get(&self.image(name)).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let seen = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let record = serde_json::from_slice(&found.bytes().await?);
        Ok(Some((record.map_err(|_| RemoteError::Damaged(format!("the record of {name:?}")))?, seen)))
    }

    async fn stream(&self, digest: &Digest, to: &mut dyn FnMut(Bytes) -> io::Result<()>) -> io::Result<()> {
        let found = self.objects.get(&self.blob(digest)).await.map_err(io::Error::other)?;
        let mut stream = found.into_stream();
        while let Some(piece) = stream.next().await {
            to(piece.map_err(io::Error::other)?)?;
        }
        Ok(())
    }

    fn blob(&self, digest: &Digest) -> Path {
        self.at("blobs", &digest.to_string())
    }

    fn image(&self, name: &str) -> Path {
        self.at("images", &format!("{name}.json"))
    }

    fn at(&self, folder: &'static str, name: &str) -> Path {
        self.prefix.clone().join(folder).join(name)
    }
}

impl Origin for Remote {
    fn fetch(&self, digest: &Digest, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.runtime.block_on(self.stream(digest, &mut |piece| to(&piece)))
    }
}

/// A blob on its way, as something to read from.
struct Incoming {
    pieces: Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Incoming {
    fn start(remote: Remote, digest: Digest) -> Self {
        let (sender, pieces) = sync_channel(4);
        thread::spawn(move || {
            let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            let fetched = remote
                .runtime
                .block_on(remote.stream(&digest, &mut |piece| sender.send(Ok(piece)).map_err(gone)));
            if let Err(error) = fetched {
                let _ = sender.send(Err(error)); // nobody reads any more
            }
        });
        Incoming { pieces, current: Bytes::new() }
    }
}

impl Read for Incoming {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.recv() {
                Ok(piece) => self.current = piece?,
                Err(_) => return Ok(0),
            }
        }
        let count = buf.len().min(self.current.len());
        buf[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}

/// A name that no other probe has at the same time.
fn rand_name() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// Uploaded at a time, in bytes; S3 takes parts of 5 MiB and more, but for the last.
const PART: usize = 16 << 20;
/// A catalogue beyond this is not one of boot images.
const MAX_IMAGES: usize = 100_000;
const ATTEMPTS: usize = 8;
