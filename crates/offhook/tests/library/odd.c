/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Libraries that are no good providers; FLAW says in which way. */
#include <string.h>

#include "offhook_provider.h"

enum { REFUSES, FROM_THE_FUTURE, NO_FUNCTIONS, SMALL, NO_TSP, FAILS, HANGS, BABBLES, LONG };

static const offhook_host *host;

static void say(const char *message) {
    host->emit(host->ctx, (const uint8_t *)message, strlen(message));
}

/* Behaves until its line is opened. */
static int32_t deliver(void *self, const uint8_t *message, size_t length) {
    (void)self;
    char text[256] = "";
    memcpy(text, message, length < sizeof text ? length : sizeof text - 1);
    if (strstr(text, "\"open\"")) {
        if (FLAW == FAILS) return 7;
        if (FLAW == BABBLES) say("nonsense");
        if (FLAW == LONG && host->emit(host->ctx, (const uint8_t *)text, (size_t)1 << 30) == OFFHOOK_REFUSED) return 8;
        while (FLAW == HANGS) {
        }
    }
    if (strncmp(text, "{\"ping\":", 8) == 0) {
        memcpy(text, "{\"pong\"", 7);
        say(text);
    }
    return 0;
}

static void close_it(void *self) { (void)self; }

#ifdef WITHOUT_SYMBOL
#define offhook_provider_open something_else
#endif
int32_t offhook_provider_open(const offhook_host *server, offhook_provider *provider) {
    host = server;
    if (FLAW == REFUSES) return 42;
    provider->size = FLAW == SMALL ? 8 : sizeof *provider;
    provider->spi = FLAW == FROM_THE_FUTURE ? 900 : 1;
    provider->deliver = FLAW == NO_FUNCTIONS ? 0 : deliver;
    provider->close = close_it;
    if (FLAW == FROM_THE_FUTURE) return 0;
    say(FLAW == NO_TSP ? "{\"provider\":\"msp\",\"manifest\":{\"name\":\"odd\",\"vendor\":\"\",\"release\":\"\",\"spi\":{\"min\":1,\"max\":1}}}"
                       : "{\"provider\":\"tsp\",\"manifest\":{\"name\":\"odd\",\"vendor\":\"\",\"release\":\"\",\"spi\":{\"min\":1,\"max\":1}}}");
    say("{\"event\":\"line_up\",\"line\":1,\"stable_id\":\"odd\",\"caps\":{\"ops\":[\"drop\"],\"addresses\":[]}}");
    say("{\"event\":\"ready\"}");
    return 0;
}
