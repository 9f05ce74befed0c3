//! The end of a certificate that somebody shows, whoever it is made out to and whoever signed it: it is looked at, not trusted, and
//! nothing is said over such a connection.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use shared_types::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// What is said before TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Greeting {
    None,
    /// PostgreSQL's request for TLS.
    Postgres,
}

/// Length, then the number that stands for "TLS, please": <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// When the certificate ends that is shown there; `None`: it speaks no TLS.
///
/// # Errors
/// Why it was not seen.
pub(super) async fn ends(host: &str, port: u16, greeting: Greeting) -> Result<Option<Timestamp>, String> {
    let told = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect((host, port)).await.map_err(told)?;
    if greeting == Greeting::Postgres {
        stream.write_all(&SSL_REQUEST).await.map_err(told)?;
        if stream.read_u8().await.map_err(told)? != b'S' {
            return Ok(None);
        }
    }
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(told)?;
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().and_then(<[_]>::first).ok_or("it shows no certificate")?;
    let certificate = Certificate::from_der(shown).map_err(|error| error.to_string())?;
    let end = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    Ok(Some(Timestamp::from_millis(i64::try_from(end.as_millis()).unwrap_or(i64::MAX))))
}

/// Takes every certificate: only its end is read.
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
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
