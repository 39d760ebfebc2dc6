// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIP in a WebSocket (RFC 7118): one message per frame, and both sides agree on the sub-protocol `sip`.

use std::io;

use futures_util::{SinkExt, StreamExt};
use offhook_sipcore::agent::Flow;
use offhook_sipcore::bytes::Bytes;
use offhook_sipcore::message::{Limits, Message};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{HOST, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message as Frame};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config, client_async_with_config};

use super::opened::Opened;
use super::stream::{FromStream, PATIENCE};

/// The sub-protocol (section 4.1).
const SIP: &str = "sip";
/// No frame is longer, and no message of several frames.
const LONGEST: usize = 64 * 1024;

type Socket = WebSocketStream<Opened>;

fn limits() -> WebSocketConfig {
    let mut limits = WebSocketConfig::default();
    limits.max_message_size = Some(LONGEST);
    limits.max_frame_size = Some(LONGEST);
    limits
}

fn failed(error: tungstenite::Error) -> io::Error {
    io::Error::other(error)
}

fn speaks_sip(headers: &HeaderMap) -> bool {
    let rows = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|row| row.to_str().ok());
    rows.flat_map(|row| row.split(',')).any(|word| word.trim().eq_ignore_ascii_case(SIP))
}

/// Asks a server for a WebSocket that speaks SIP.
pub(super) async fn ask(stream: Opened, host: &str, port: u16, path: &str) -> io::Result<Socket> {
    let mut request = format!("ws://{host}{path}").into_client_request().map_err(failed)?;
    let named = if host.ends_with(&format!(":{port}")) { host.to_owned() } else { format!("{host}:{port}") };
    request.headers_mut().insert(HOST, HeaderValue::from_str(&named).map_err(io::Error::other)?);
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SIP));
    let opened = client_async_with_config(request, stream, Some(limits())).await;
    let (socket, response) = opened.map_err(failed)?;
    if speaks_sip(response.headers()) {
        return Ok(socket);
    }
    Err(io::Error::other("the server does not speak SIP in WebSockets"))
}

/// Lets a client have a WebSocket, if it speaks SIP.
pub(super) async fn accept(stream: Opened) -> io::Result<Socket> {
    #[expect(clippy::result_large_err, reason = "the library's own type for a refusal")]
    let judge = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        if speaks_sip(request.headers()) {
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SIP));
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(Some("expected the sub-protocol sip".to_owned()));
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        Err(refusal)
    };
    accept_hdr_async_with_config(stream, judge, Some(limits())).await.map_err(failed)
}

/// Reads and writes until either side ends.
pub(super) async fn run(
    flow: Flow,
    socket: Socket,
    mut queue: mpsc::Receiver<Bytes>,
    events: mpsc::Sender<FromStream>,
) {
    let (mut writer, mut reader) = socket.split();
    let mut is_pinged = false;
    loop {
        let limit = if is_pinged { PATIENCE.pong } else { PATIENCE.quiet };
        tokio::select! {
            bytes = queue.recv() => {
                let Some(bytes) = bytes else { break };
                if writer.send(frame(&bytes)).await.is_err() {
                    break;
                }
            }
            heard = tokio::time::timeout(limit, reader.next()) => match heard {
                // Everybody answers these (RFC 6455 section 5.5.2).
                Err(_) if is_pinged => break,
                Err(_) => {
                    is_pinged = true;
                    if writer.send(Frame::Ping(Bytes::new())).await.is_err() {
                        break;
                    }
                }
                Ok(Some(Ok(frame))) => {
                    is_pinged = false;
                    if !take(flow, &frame, &events).await {
                        break;
                    }
                }
                Ok(Some(Err(_)) | None) => break,
            },
        }
    }
    // The other side may have gone already.
    writer.close().await.ok();
    events.send(FromStream::Closed { flow: flow.id }).await.ok();
}

/// Scripts in browsers want text; a message whose body is none goes as it is (section 5.1 allows both).
fn frame(message: &Bytes) -> Frame {
    match std::str::from_utf8(message) {
        Ok(text) => Frame::text(text),
        Err(_) => Frame::binary(message.clone()),
    }
}

/// One frame, one message; false when the connection is to end.
async fn take(flow: Flow, frame: &Frame, events: &mpsc::Sender<FromStream>) -> bool {
    let bytes = match frame {
        Frame::Binary(bytes) => bytes.clone(),
        Frame::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
        Frame::Close(_) => return false,
        // The library answers pings.
        Frame::Frame(_) | Frame::Ping(_) | Frame::Pong(_) => return true,
    };
    // Some keep connections alive as on TCP (RFC 5626 section 3.5.1).
    if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
        return true;
    }
    let event = match Message::parse(&bytes, &Limits::default()) {
        Ok(message) => FromStream::Message { flow, message },
        Err(error) => FromStream::Malformed { flow, error: Box::new(error) },
    };
    events.send(event).await.is_ok()
}
