// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sound of a call to and from this process, frame by frame.

/// Where the program and the media provider of the same process hand each other sound.
#[derive(Debug, Default)]
pub(crate) struct Rings {
    #[cfg(feature = "rtp")]
    ports: Option<offhook_rtp::Ports>,
}

#[cfg(feature = "rtp")]
mod with_rtp {
    use offhook_rtp::SampleRate;
    use offhook_rtp::{AppAudio, RtpMsp};
    use offhook_spi::{StreamKey, Terminal};

    use super::Rings;
    use crate::call::Call;
    use crate::error::{Error, ErrorKind};

    impl Rings {
        /// Gives a provider the ports of this server.
        pub(crate) fn share(&mut self, provider: RtpMsp) -> RtpMsp {
            match &self.ports {
                Some(ports) => provider.with_ports(ports.clone()),
                None => {
                    self.ports = Some(provider.ports().clone());
                    provider
                }
            }
        }
    }

    impl Call {
        /// Gives the sound of the call to this program and the program's sound to the call, at the
        /// program's own sample rate. Dropping either end ends its direction.
        ///
        /// ```
        /// # use offhook::{Call, Error, SampleRate};
        /// # async fn example(call: Call) -> Result<(), Error> {
        /// let mut audio = call.audio(SampleRate::HZ_16000).await?;
        /// let mut frame = [0; 320];
        /// while audio.from_call.read_whole(&mut frame).await == frame.len() {
        ///     audio.to_call.write_whole(&frame).await;
        /// }
        /// # Ok(())
        /// # }
        /// ```
        ///
        /// # Errors
        /// [`ErrorKind::NoMedia`] when the call has no session or its media provider is not in this
        /// process, [`ErrorKind::NotOwner`].
        pub async fn audio(&self, rate: SampleRate) -> Result<AppAudio, Error> {
            let Some(ports) = &self.app().rings().ports else {
                let detail = "no media provider of this process takes sound from programs";
                return Err(Error::new(ErrorKind::NoMedia, format!("hear {}", self.id()), detail));
            };
            let (port, audio) = ports.open(rate);
            self.select(StreamKey::AudioIn, Terminal::Application { port }).await?;
            self.select(StreamKey::AudioOut, Terminal::Application { port }).await?;
            Ok(audio)
        }
    }
}
