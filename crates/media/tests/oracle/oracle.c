/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Other people's codecs, for tests: reads packets from stdin, writes packets to stdout.
 *
 * oracle <codec> encode|decode [option=number]...
 * A packet is four bytes of length, little end first, and so many bytes; samples are 16 bits, little end first.
 * For decoders of Opus and G.729 an empty packet is a lost one; with fec=1 Opus recovers it from the next.
 * Packets of G.729 are single frames. */
#include <bcg729/decoder.h>
#include <bcg729/encoder.h>
#include <opus/opus.h>
#include <spandsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int arguments;
static char **values;

static int option(const char *name, int otherwise)
{
    size_t length = strlen(name);
    for (int n = 3; n < arguments; n++)
        if (!strncmp(values[n], name, length) && values[n][length] == '=')
            return atoi(values[n] + length + 1);
    return otherwise;
}

static unsigned char in[1 << 20], ahead[1 << 20];
static union { unsigned char bytes[1 << 21]; int16_t samples[1 << 20]; } out;

static int read_packet(unsigned char *to)
{
    unsigned char size[4];
    if (fread(size, 1, 4, stdin) != 4)
        return -1;
    int length = size[0] | size[1] << 8 | size[2] << 16 | size[3] << 24;
    if (length < 0 || length > (1 << 20) || fread(to, 1, length, stdin) != (size_t)length)
        exit(2);
    return length;
}

static void write_packet(int length)
{
    if (length < 0)
        exit(3);
    unsigned char size[4] = { length, length >> 8, length >> 16, length >> 24 };
    fwrite(size, 1, 4, stdout);
    fwrite(out.bytes, 1, length, stdout);
}

static void opus_encoding(void)
{
    int channels = option("channels", 1), error, length;
    OpusEncoder *state = opus_encoder_create(option("rate", 16000), channels, OPUS_APPLICATION_VOIP, &error);
    if (!state)
        exit(4);
    opus_encoder_ctl(state, OPUS_SET_BITRATE(option("bitrate", 24000)));
    opus_encoder_ctl(state, OPUS_SET_COMPLEXITY(option("complexity", 5)));
    opus_encoder_ctl(state, OPUS_SET_INBAND_FEC(option("fec", 0)));
    opus_encoder_ctl(state, OPUS_SET_PACKET_LOSS_PERC(option("loss", 0)));
    while ((length = read_packet(in)) >= 0)
        write_packet(opus_encode(state, (const int16_t *)in, length / 2 / channels, out.bytes, 4000));
}

static void opus_decoding(void)
{
    int channels = option("channels", 1), rate = option("rate", 16000), fec = option("fec", 0), error;
    OpusDecoder *state = opus_decoder_create(rate, channels, &error);
    if (!state)
        exit(4);
    int length = read_packet(in);
    while (length >= 0) {
        int next = read_packet(ahead), samples;
        if (length > 0)
            samples = opus_decode(state, in, length, out.samples, rate / 1000 * 120, 0);
        else if (fec && next > 0)
            samples = opus_decode(state, ahead, next, out.samples, rate / 50, 1);
        else
            samples = opus_decode(state, NULL, 0, out.samples, rate / 50, 0);
        write_packet(samples * 2 * channels);
        if (next > 0)
            memcpy(in, ahead, next);
        length = next;
    }
}

int main(int count, char **strings)
{
    arguments = count;
    values = strings;
    if (count < 3)
        return 1;
    const char *codec = strings[1];
    int encoding = !strcmp(strings[2], "encode"), length;
    if (!strcmp(codec, "opus")) {
        if (encoding)
            opus_encoding();
        else
            opus_decoding();
    } else if (!strcmp(codec, "g722")) {
        g722_encode_state_t *encoder = g722_encode_init(NULL, 64000, 0);
        g722_decode_state_t *decoder = g722_decode_init(NULL, 64000, 0);
        while ((length = read_packet(in)) >= 0)
            write_packet(encoding ? g722_encode(encoder, out.bytes, (const int16_t *)in, length / 2)
                                  : 2 * g722_decode(decoder, out.samples, in, length));
    } else if (!strcmp(codec, "g726")) {
        int packing = option("aal2", 0) ? G726_PACKING_LEFT : G726_PACKING_RIGHT;
        g726_state_t *state = g726_init(NULL, option("bitrate", 32000), G726_ENCODING_LINEAR, packing);
        while ((length = read_packet(in)) >= 0)
            write_packet(encoding ? g726_encode(state, out.bytes, (const int16_t *)in, length / 2)
                                  : 2 * g726_decode(state, out.samples, in, length));
    } else if (!strcmp(codec, "g729")) {
        bcg729EncoderChannelContextStruct *encoder = initBcg729EncoderChannel(option("annexb", 0));
        bcg729DecoderChannelContextStruct *decoder = initBcg729DecoderChannel();
        while ((length = read_packet(in)) >= 0) {
            uint8_t written = 0;
            if (encoding)
                bcg729Encoder(encoder, (const int16_t *)in, out.bytes, &written);
            else
                bcg729Decoder(decoder, length ? in : NULL, length, length == 0, length == 2, 0, out.samples);
            write_packet(encoding ? written : 160);
        }
    } else if (!strcmp(codec, "g711")) {
        int alaw = option("alaw", 0);
        while ((length = read_packet(in)) >= 0) {
            int samples = encoding ? length / 2 : length;
            for (int n = 0; n < samples; n++) {
                int sample = ((const int16_t *)in)[encoding ? n : 0];
                if (encoding)
                    out.bytes[n] = alaw ? linear_to_alaw(sample) : linear_to_ulaw(sample);
                else
                    out.samples[n] = alaw ? alaw_to_linear(in[n]) : ulaw_to_linear(in[n]);
            }
            write_packet(encoding ? samples : samples * 2);
        }
    } else {
        return 1;
    }
    return 0;
}
