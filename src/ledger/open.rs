//! The place of the records, and how to open it: memory, a folder, or a container of Azure Blob Storage.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use object_store::{
    BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig,
    azure::{AzureAuthorizer, MicrosoftAzure, MicrosoftAzureBuilder},
    client::HttpRequestBody,
    local::LocalFileSystem,
    memory::InMemory,
};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::store::is_staged;
use crate::http_client::{LazyClient, read_start};

/// The place of the records (`STORE_URL`).
#[derive(Clone, Debug)]
pub enum Location {
    /// This process's memory, gone with the process.
    Memory,
    /// A folder of this machine.
    Folder(PathBuf),
    /// A container of Azure Blob Storage.
    Azure(Box<Container>),
}

/// A container of Azure Blob Storage.
#[derive(Clone, Debug)]
pub struct Container {
    /// The container's name.
    pub name: String,
    /// The storage account's name.
    pub account: String,
    /// The account's blob endpoint.
    pub endpoint: Url,
    /// The credential for it.
    pub credential: Credential,
}

/// A credential for Azure Storage.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The account's key.
    AccessKey(SecretString),
    /// The function app's identity.
    ManagedIdentity {
        /// The client id of the identity; without it the system-assigned one is used.
        client_id: Option<String>,
        /// The endpoint that issues tokens.
        endpoint: Option<Url>,
    },
}

/// A request to the store is tried once more if that is safe; all of it stays far inside a click's time.
const RETRIES: usize = 1;

/// The longest time for one request to the store.
const REQUEST_TIME: Duration = Duration::from_millis(2_000);

/// The longest time for connecting to the store.
const CONNECT_TIME: Duration = Duration::from_millis(1_000);

/// The part of an answer that is read, in bytes: more than an error of Azure Storage has.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// Opens the store, without a call to it.
pub fn open(location: &Location) -> anyhow::Result<Arc<dyn ObjectStore>> {
    match location {
        Location::Memory => Ok(Arc::new(InMemory::new())),
        Location::Folder(folder) => {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
            // A record counts as written when it would survive a power cut.
            Ok(Arc::new(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true)))
        }
        Location::Azure(container) => Ok(Arc::new(azure(container)?)),
    }
}

/// The age from which an unfinished file counts as left behind: nobody will finish it.
const STAGED_FOR: Duration = Duration::from_secs(15 * 60);

/// Removes the half-written files in `folder` that killed writers left, and returns their number.
pub fn remove_staged(folder: &Path) -> io::Result<usize> {
    let mut removed = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_str().is_some_and(is_staged) && is_old(&entry) {
                fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// True if the file is old. If its age is not known it is not: it may have been written just now.
fn is_old(entry: &fs::DirEntry) -> bool {
    let written = entry.metadata().and_then(|metadata| metadata.modified());
    written.ok().and_then(|written| written.elapsed().ok()).is_some_and(|age| age >= STAGED_FOR)
}

fn azure(container: &Container) -> anyhow::Result<MicrosoftAzure> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(&container.account)
        .with_container_name(&container.name)
        .with_endpoint(container.endpoint.as_str().trim_end_matches('/').to_owned())
        .with_retry(retries())
        .with_client_options(client_options(&container.endpoint)?);
    // The type is pinned, so that no other credential of the environment is used instead.
    builder = match &container.credential {
        Credential::AccessKey(key) => {
            builder.with_credential_type("access_key").with_access_key(key.expose_secret())
        }
        Credential::ManagedIdentity { client_id, endpoint } => {
            let mut builder = builder.with_credential_type("managed_identity");
            if let Some(client_id) = client_id {
                builder = builder.with_client_id(client_id);
            }
            match endpoint {
                Some(endpoint) => builder.with_msi_endpoint(endpoint.as_str()),
                None => builder,
            }
        }
    };
    Ok(builder.build()?)
}

fn retries() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_millis(200),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: RETRIES, retry_timeout: REQUEST_TIME }
}

fn client_options(endpoint: &Url) -> anyhow::Result<ClientOptions> {
    let options = ClientOptions::new()
        .with_timeout(REQUEST_TIME)
        .with_connect_timeout(CONNECT_TIME)
        .with_allow_http(endpoint.scheme() == "http");
    if endpoint.scheme() == "http" {
        return Ok(options);
    }
    webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .try_fold(options, |options, root| Ok(options.with_root_certificate(Certificate::from_der(root)?)))
}

/// The calls to Azure Blob Storage that the object store's crate lacks or complicates: it creates no
/// containers, and deletes a single blob by a batch. The requests are signed as its own are.
pub struct Blobs {
    container: Container,
    store: MicrosoftAzure,
    client: LazyClient,
}

impl Blobs {
    /// The calls to the container; none is made yet.
    pub fn new(container: &Container) -> anyhow::Result<Self> {
        let client = LazyClient::new(container.endpoint.clone(), CONNECT_TIME);
        Ok(Self { container: container.clone(), store: azure(container)?, client })
    }

    /// Creates the container, or finds that it is there:
    /// <https://learn.microsoft.com/rest/api/storageservices/create-container>.
    pub async fn create_container(&self) -> anyhow::Result<()> {
        let status = self.call(http::Method::PUT, "?restype=container").await?;
        ensure!(status == 201 || status == 409, "Azure Storage answered {status} to the new container");
        log::info!("the container {} is there", self.container.name);
        Ok(())
    }

    /// Deletes a blob; a missing one is fine: <https://learn.microsoft.com/rest/api/storageservices/delete-blob>.
    pub async fn delete(&self, path: &object_store::path::Path) -> anyhow::Result<()> {
        let status = self.call(http::Method::DELETE, &format!("/{path}")).await?;
        ensure!(status == 202 || status == 404, "Azure Storage answered {status} to a delete");
        Ok(())
    }

    /// The status of the answer to the call. `below` follows the container's address.
    async fn call(&self, method: http::Method, below: &str) -> anyhow::Result<u16> {
        let Container { name, account, endpoint, .. } = &self.container;
        let credential = self.store.credentials().get_credential().await?;
        let url = format!("{}/{name}{below}", endpoint.as_str().trim_end_matches('/'));
        let request = http::Request::builder().method(method.clone()).uri(url);
        let mut request = request.body(HttpRequestBody::empty())?;
        AzureAuthorizer::new(&credential, account).try_authorize(&mut request)?;
        let (parts, _) = request.into_parts();
        let mut response = self
            .client
            .get()?
            .request(method, parts.uri.to_string())
            .headers(parts.headers)
            .header(http::header::CONTENT_LENGTH, 0)
            .timeout(REQUEST_TIME)
            .send()
            .await
            .map_err(reqwest::Error::without_url)?;
        // The answer is read, so that its connection can be used again.
        read_start(&mut response, MAX_ANSWER_BYTES).await;
        Ok(response.status().as_u16())
    }
}
