// SPDX-License-Identifier: MIT OR Apache-2.0
//! The provider's side: any Rust provider as a program that speaks lines.

use offhook_spi::frame::{
    Introduction, LONGEST_FRAME, MspWords, ProviderKind, ToProvider, TspWords, Words, line, pong, unsupported,
};
use offhook_spi::{DynMsp, DynTsp, HostLink, Link, Manifest, ProviderError, ProviderRun};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::lines::Lines;

/// Serves a TSP over a pair of pipes, usually standard input and output, until the input ends.
///
/// # Errors
/// As the provider's run says; when a pipe breaks; when the host says what is no frame.
pub async fn serve_tsp(
    provider: impl DynTsp,
    input: impl AsyncRead + Unpin + Send,
    output: impl AsyncWrite + Unpin + Send,
) -> Result<(), ProviderError> {
    let manifest = provider.manifest();
    serve::<TspWords>(manifest, move |link| Box::new(provider).run(link), input, output).await
}

/// Serves an MSP over a pair of pipes, usually standard input and output, until the input ends.
///
/// # Errors
/// As [`serve_tsp`].
pub async fn serve_msp(
    provider: impl DynMsp,
    input: impl AsyncRead + Unpin + Send,
    output: impl AsyncWrite + Unpin + Send,
) -> Result<(), ProviderError> {
    let manifest = provider.manifest();
    serve::<MspWords>(manifest, move |link| Box::new(provider).run(link), input, output).await
}

async fn serve<W: Words>(
    manifest: Manifest,
    run: impl FnOnce(Link<W::Command, W::Event>) -> ProviderRun,
    input: impl AsyncRead + Unpin + Send,
    mut output: impl AsyncWrite + Unpin + Send,
) -> Result<(), ProviderError> {
    let provider: ProviderKind = W::KIND;
    write(&mut output, &line(&Introduction { provider, manifest })).await?;
    let (HostLink { commands, mut events }, link) = Link::pair(CAPACITY);
    let (answers, mut answered) = mpsc::channel(CAPACITY);
    let running = run(link);
    let hear = hear::<W>(Lines::new(input, LONGEST_FRAME), commands, answers);
    let tell = async {
        loop {
            let bytes = tokio::select! {
                Some(bytes) = answered.recv() => bytes,
                event = events.recv() => match event {
                    Some(event) => line(&event),
                    None => return Ok(()),
                },
            };
            write(&mut output, &bytes).await?;
        }
    };
    tokio::pin!(running, hear, tell);
    let (mut heard, mut told_all) = (false, false);
    loop {
        tokio::select! {
            ended = &mut running => {
                // What it said last is still to be told.
                if !told_all {
                    tell.await?;
                }
                return ended;
            }
            told = &mut tell, if !told_all => {
                told?;
                told_all = true;
            }
            ended = &mut hear, if !heard => {
                ended?;
                heard = true;
            }
        }
    }
}

/// Takes what the host says until its end, which closes the link.
async fn hear<W: Words>(
    mut lines: Lines<impl AsyncRead + Unpin>,
    commands: mpsc::Sender<W::Command>,
    answers: mpsc::Sender<Vec<u8>>,
) -> Result<(), ProviderError> {
    let commands = commands;
    while let Some(frame) = lines.next().await.map_err(ProviderError::new)? {
        let bytes = match ToProvider::<W::Command>::read(&frame) {
            Ok(ToProvider::Command(command)) => {
                if commands.send(command).await.is_err() {
                    return Ok(());
                }
                continue;
            }
            Ok(ToProvider::Ping(number)) => pong(number),
            Ok(ToProvider::Unknown { request: Some(request), detail }) => {
                line(&W::refuse(request, unsupported(&detail)))
            }
            Ok(ToProvider::Unknown { request: None, .. }) => continue,
            Err(error) => return Err(ProviderError::new(error.to_string())),
        };
        if answers.send(bytes).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

async fn write(output: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), ProviderError> {
    let gone =
        |error: std::io::Error| ProviderError::new(format!("the host does not listen any more: {error}"));
    output.write_all(bytes).await.map_err(gone)?;
    output.flush().await.map_err(gone)
}

/// Messages that the queues to and from the provider hold.
const CAPACITY: usize = 256;
