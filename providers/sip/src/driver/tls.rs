// SPDX-License-Identifier: MIT OR Apache-2.0
//! TLS: our certificate, and whom we trust.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::config::{ConfigError, TlsConfig};

/// Both sides of TLS, as configured.
#[derive(Clone)]
pub(super) struct Tls {
    acceptor: Option<TlsAcceptor>,
    connector: TlsConnector,
}

impl Tls {
    pub(super) fn new(config: &TlsConfig) -> Result<Self, ConfigError> {
        let provider = Arc::new(super::rustls_provider());
        let acceptor = match (&config.certificate, &config.key) {
            (Some(certificate), Some(key)) => Some(acceptor(&provider, certificate, key)?),
            (Some(both), None) => Some(acceptor(&provider, both, both)?),
            _ => None,
        };
        Ok(Self { acceptor, connector: connector(&provider, config)? })
    }

    pub(super) const fn can_serve(&self) -> bool {
        self.acceptor.is_some()
    }

    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.acceptor.clone()
    }

    /// Shakes hands; the certificate must name the domain, or the address where no domain was asked for.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        name: Option<&str>,
        to: SocketAddr,
    ) -> io::Result<TlsStream<TcpStream>> {
        let wanted = match name {
            Some(name) => ServerName::try_from(name.to_owned()).map_err(io::Error::other)?,
            None => ServerName::IpAddress(to.ip().into()),
        };
        self.connector.connect(wanted, stream).await
    }
}

fn acceptor(
    provider: &Arc<CryptoProvider>,
    certificate: &Path,
    key: &Path,
) -> Result<TlsAcceptor, ConfigError> {
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|error| ConfigError(format!("{} holds no private key: {error}", key.display())))?;
    let config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| ConfigError(format!("{} cannot be used: {error}", certificate.display())))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn connector(provider: &Arc<CryptoProvider>, config: &TlsConfig) -> Result<TlsConnector, ConfigError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &config.authorities {
        for certificate in certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| ConfigError(format!("{} cannot be trusted: {error}", path.display())))?;
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError(format!("TLS cannot be used: {error}")))?;
    let client = if config.trust_anybody {
        let anybody = Arc::new(Anybody(Arc::clone(provider)));
        builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth()
    } else {
        builder.with_root_certificates(roots).with_no_client_auth()
    };
    Ok(TlsConnector::from(Arc::new(client)))
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|error| ConfigError(format!("cannot read {}: {error}", path.display())))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(ConfigError(format!("{} holds no certificate in PEM form", path.display()))),
    }
}

/// Trusts every certificate; the signatures of the handshake are still checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate for a name, in a file that both sides use.
    fn certificate(name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let folder = std::env::temp_dir();
        let file = |what: &str| folder.join(format!("offhook-tls-{}-{name}.{what}", std::process::id()));
        let (chain, key) = (file("crt"), file("key"));
        fs::write(&chain, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (chain, key)
    }

    #[tokio::test]
    async fn the_certificate_must_name_the_domain_that_was_asked_for() {
        let (chain, key) = certificate("sip.example.org");
        let tls = Tls::new(&TlsConfig {
            certificate: Some(chain.clone()),
            key: Some(key.clone()),
            authorities: Some(chain.clone()),
            ..TlsConfig::default()
        });
        let tls = tls.unwrap();
        fs::remove_file(chain).unwrap();
        fs::remove_file(key).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        for (name, is_right) in
            [(Some("sip.example.org"), true), (Some("other.example.org"), false), (None, false)]
        {
            let client = async {
                let stream = TcpStream::connect(to).await.unwrap();
                tls.connect(stream, name, to).await.map(drop)
            };
            let server = async {
                let (stream, _) = listener.accept().await.unwrap();
                tls.acceptor().unwrap().accept(stream).await.map(drop)
            };
            let (ours, _) = tokio::join!(client, server);
            assert_eq!(ours.is_ok(), is_right, "{name:?}: {ours:?}");
            if let (Some(name), Err(error)) = (name, ours) {
                assert!(error.to_string().contains(name), "{error}");
            }
        }
    }
}
