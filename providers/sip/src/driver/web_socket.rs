// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIP in a WebSocket (RFC 7118): one message per frame, and both sides agree on the sub-protocol `sip`.

use std::io;

use futures_util::{SinkExt, StreamExt};
use offhook_sipcore::agent::Flow;
use offhook_sipcore::bytes::Bytes;
use offhook_sipcore::message::{Limits, Message};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
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
    // Only what comes puts it off: what we say to one that is gone tells nothing.
    let mut patience = Instant::now() + PATIENCE.quiet;
    loop {
        let answer = tokio::select! {
            bytes = queue.recv() => match bytes {
                Some(bytes) => Some(frame(&bytes)),
                None => break,
            },
            heard = timeout_at(patience, reader.next()) => match heard {
                // Everybody answers these (RFC 6455 section 5.5.2).
                Err(_) if is_pinged => break,
                Err(_) => {
                    (is_pinged, patience) = (true, Instant::now() + PATIENCE.pong);
                    Some(Frame::Ping(Bytes::new()))
                }
                Ok(Some(Ok(frame))) => {
                    (is_pinged, patience) = (false, Instant::now() + PATIENCE.quiet);
                    match take(flow, &frame, &events).await {
                        Taken::Answer(answer) => Some(answer),
                        Taken::End => break,
                        Taken::Well => None,
                    }
                }
                Ok(Some(Err(_)) | None) => break,
            },
        };
        // One that does not read is cut off: it must not hold a place for ever.
        if let Some(answer) = answer
            && !timeout(PATIENCE.pong, writer.send(answer)).await.is_ok_and(|sent| sent.is_ok())
        {
            break;
        }
    }
    // The other side may have gone already.
    timeout(PATIENCE.pong, writer.close()).await.ok();
    events.send(FromStream::Closed { flow: flow.id }).await.ok();
}

/// Scripts in browsers want text; a message whose body is none goes as it is (section 5.1 allows both).
fn frame(message: &Bytes) -> Frame {
    match std::str::from_utf8(message) {
        Ok(text) => Frame::text(text),
        Err(_) => Frame::binary(message.clone()),
    }
}

/// What a frame was.
#[derive(Debug, PartialEq)]
enum Taken {
    /// It wants this one back.
    Answer(Frame),
    /// The connection is to end.
    End,
    /// A message, or nothing.
    Well,
}

/// One frame, one message.
async fn take(flow: Flow, frame: &Frame, events: &mpsc::Sender<FromStream>) -> Taken {
    let bytes = match frame {
        Frame::Binary(bytes) => bytes.clone(),
        Frame::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
        Frame::Close(_) => return Taken::End,
        // The library answers pings.
        Frame::Frame(_) | Frame::Ping(_) | Frame::Pong(_) => return Taken::Well,
    };
    // Some keep connections alive as on TCP (RFC 5626 section 3.5.1).
    if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
        let is_ping = bytes.as_ref() == b"\r\n\r\n";
        return if is_ping { Taken::Answer(Frame::text("\r\n")) } else { Taken::Well };
    }
    let event = match Message::parse(&bytes, &Limits::default()) {
        Ok(message) => FromStream::Message { flow, message },
        Err(error) => FromStream::Malformed { flow, error: Box::new(error) },
    };
    if events.send(event).await.is_ok() { Taken::Well } else { Taken::End }
}

#[cfg(test)]
mod tests {
    use offhook_sipcore::agent::{FlowId, Transport};

    use super::*;

    fn flow() -> Flow {
        let at = |text: &str| text.parse().unwrap();
        let (local, remote) = (at("192.0.2.1:80"), at("192.0.2.2:4000"));
        Flow { id: FlowId(1), transport: Transport::Ws, local, remote }
    }

    #[tokio::test]
    async fn a_frame_is_a_message_a_sign_of_life_or_the_end() {
        let (events, mut told) = mpsc::channel(8);
        let message = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
            To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n";
        for (frame, taken, is_message) in [
            (Frame::text(message), Taken::Well, Some(true)),
            (Frame::binary(message.as_bytes().to_vec()), Taken::Well, Some(true)),
            (Frame::text("nonsense"), Taken::Well, Some(false)),
            (Frame::text("\r\n\r\n"), Taken::Answer(Frame::text("\r\n")), None),
            (Frame::text("\r\n"), Taken::Well, None),
            (Frame::text(""), Taken::Well, None),
            (Frame::Ping(Bytes::new()), Taken::Well, None),
            (Frame::Close(None), Taken::End, None),
        ] {
            assert_eq!(take(flow(), &frame, &events).await, taken, "{frame:?}");
            let heard = told.try_recv().ok().map(|event| matches!(event, FromStream::Message { .. }));
            assert_eq!(heard, is_message, "{frame:?}");
        }
        drop(told);
        assert_eq!(take(flow(), &Frame::text(message), &events).await, Taken::End, "nobody listens any more");
    }
}
