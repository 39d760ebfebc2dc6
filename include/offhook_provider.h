/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A telephony or media provider as a shared library of the server.
 *
 * The library exports one function, offhook_provider_open. Everything else is messages: JSON objects, the same that a
 * provider in another process reads and writes (docs/conformance.md), without a line end of their own. New operations
 * are new messages; this file stays as it is. Both structures begin with their size, so that either side may grow.
 *
 * A library shares its memory with the server: load only what you trust, and run the rest as child processes.
 */
#ifndef OFFHOOK_PROVIDER_H
#define OFFHOOK_PROVIDER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What emit returns. */
#define OFFHOOK_EMITTED 0  /* the message is on its way */
#define OFFHOOK_CLOSED (-1) /* the server does not listen any more: end soon */
#define OFFHOOK_REFUSED (-2) /* no message, or a longer one than a mebibyte */

/* The server. It stays where it is until close has returned. */
typedef struct offhook_host {
    uint32_t size;            /* of this structure, in bytes */
    uint16_t spi_min, spi_max; /* versions of the contract that the server speaks */
    void *ctx;                /* to be handed to emit */
    /* Says a message. It may be called from any thread, also before offhook_provider_open has returned, and waits
     * while the server has no room; never after close has returned. The bytes are copied. */
    int32_t (*emit)(void *ctx, const uint8_t *message, size_t length);
} offhook_host;

/* The provider. */
typedef struct offhook_provider {
    uint32_t size; /* of this structure: the server's when called, the provider's on return */
    uint16_t spi;  /* the version of the contract that the provider speaks */
    void *self;    /* to be handed to the functions below */
    /* Takes a command or a ping; anything but 0 ends the provider. The bytes are gone when it returns. While it does
     * not return no other message is delivered, so answer pings soon. */
    int32_t (*deliver)(void *self, const uint8_t *message, size_t length);
    /* Ends the provider: its threads are joined and its memory is freed when this returns. */
    void (*close)(void *self);
} offhook_provider;

/* Makes one provider; a library may be asked for several. It emits its introduction first, then its lines. Returns 0,
 * or anything else when it cannot work; then nothing else of it is called. The library is never unloaded. */
int32_t offhook_provider_open(const offhook_host *host, offhook_provider *provider);

#ifdef __cplusplus
}
#endif

#endif
