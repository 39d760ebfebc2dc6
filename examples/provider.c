/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A telephony provider in C, as a shared library, with nothing but the standard library.
 *
 * The same toy as provider.py: a line with a small telephone network behind it. Build it and try it:
 *
 *     cc -shared -fPIC -Iinclude -o target/libexample.so examples/provider.c
 *     offhook provider test target/libexample.so
 *
 * To make a provider of your own, keep the first half (reading and writing messages) and replace the second: say in
 * LINE_UP what your line can do, answer each request exactly once, tell every change of a call as an event, and never
 * name a call again after it was idle.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "offhook_provider.h"

/* ---- Messages ---- */

/* A piece of a message: a value as it was written. */
typedef struct { const char *at; size_t length; } piece;

static int is(piece a, const char *text) {
    return a.length == strlen(text) && memcmp(a.at, text, a.length) == 0;
}

static int same(piece a, piece b) {
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

/* The end of the value that begins here: a string, a list or object with all that is in it, or a word. */
static const char *skip(const char *at, const char *end) {
    int depth = 0;
    do {
        if (at < end && *at == '"') {
            for (at++; at < end && *at != '"'; at++) at += *at == '\\';
        } else if (at < end && (*at == '{' || *at == '[')) {
            depth++;
        } else if (at < end && (*at == '}' || *at == ']')) {
            depth--;
        } else if (depth == 0) {
            while (at < end && !strchr(",:}] \t\r\n", *at)) at++;
            return at;
        }
        at++;
    } while (depth > 0 && at < end);
    return at < end ? at : end;
}

static const char *space(const char *at, const char *end) {
    while (at < end && strchr(" \t\r\n,:", *at)) at++;
    return at;
}

/* The value of a key of an object, without quotes if it is a string; empty when there is none. */
static piece value(piece object, const char *key) {
    const char *end = object.at + object.length, *at = object.at;
    piece none = {"", 0};
    if (at == end || *at != '{') return none;
    for (at = space(at + 1, end); at < end && *at == '"'; at = space(at, end)) {
        const char *from = at;
        piece name = {from + 1, 0}, found;
        at = skip(at, end);
        name.length = (size_t)(at - from) >= 2 ? (size_t)(at - from) - 2 : 0;
        found.at = at = space(at, end);
        at = skip(at, end);
        found.length = (size_t)(at - found.at);
        if (!is(name, key)) continue;
        if (found.length >= 2 && *found.at == '"') found.at++, found.length -= 2;
        return found;
    }
    return none;
}

/* ---- The provider ---- */

static const char INTRODUCTION[] =
    "{\"provider\":\"tsp\",\"manifest\":{\"name\":\"toy-c\",\"vendor\":\"offhook\",\"release\":\"1\","
    "\"spi\":{\"min\":1,\"max\":1},\"schemas\":[]}}";

/* What the line can do. The server refuses everything else by name, and never asks for it. The conformance suite
 * reaches the far ends through the schema: see play. */
static const char LINE_UP[] =
    "{\"event\":\"line_up\",\"line\":1,\"stable_id\":\"toy-c:1\",\"caps\":{\"ops\":[\"accept\",\"answer\",\"drop\","
    "\"hold\",\"make_call\",\"unhold\",\"extension\"],\"media\":[\"audio\"],\"addresses\":[{\"address\":\"toy-c:1\","
    "\"dials\":[\"other\"],\"max_calls\":0}],\"max_calls\":100,\"extensions\":[\"offhook.rig\"]}}";

/* How far ends behave, by the addresses under which the conformance suite calls them. */
static const struct { const char *address, *states, *cause; } FAR_ENDS[] = {
    {"rig:answers", "rc", NULL},
    {"rig:hangs_up", "rc", "normal_clearing"},
    {"rig:never_answers", "r", NULL},
    {"rig:busy", "", "user_busy"},
    {"rig:rejects", "", "call_rejected"},
    {"rig:wrong_number", "", "unallocated_number"},
};

enum { CALLS = 100, LONGEST_KEY = 128 };

/* Where a call is; FREE is a place without a call. */
typedef enum { FREE, DIALING, OFFERING, ACCEPTED, RINGBACK, CONNECTED, ON_HOLD } state;

static const char *STATES[] = {"", "dialing", "offering", "accepted", "ringback", "connected", "on_hold"};

typedef struct { char key[LONGEST_KEY]; state state; int incoming; } call;

typedef struct { const offhook_host *host; call calls[CALLS]; unsigned long named; } exchange;

static void say(exchange *it, const char *format, ...) {
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    /* Whether the server still listens does not matter: it will close us. */
    if (length > 0 && (size_t)length < sizeof message)
        it->host->emit(it->host->ctx, (const uint8_t *)message, (size_t)length);
}

static void done(exchange *it, piece request) {
    say(it, "{\"event\":\"reply\",\"request\":%.*s,\"done\":{\"outcome\":\"done\"}}", (int)request.length, request.at);
}

static void refuse(exchange *it, piece request, const char *kind, const char *detail) {
    if (request.length == 0) return;
    say(it, "{\"event\":\"reply\",\"request\":%.*s,\"refused\":{\"kind\":\"%s\",\"retry\":\"never\",\"detail\":\"%s\"}}",
        (int)request.length, request.at, kind, detail);
}

static void enters(exchange *it, call *one, state next) {
    one->state = next;
    say(it, "{\"event\":\"call_state\",\"call\":%s,\"state\":\"%s\"}", one->key, STATES[next]);
}

/* Tells the end of a call; after idle its key is dead. */
static void ends(exchange *it, call *one, const char *cause) {
    say(it, "{\"event\":\"call_state\",\"call\":%s,\"state\":\"disconnected\",\"cause\":\"%s\"}", one->key, cause);
    say(it, "{\"event\":\"call_state\",\"call\":%s,\"state\":\"idle\"}", one->key);
    one->state = FREE;
}

static void all_end(exchange *it, int only_incoming, const char *cause) {
    for (call *one = it->calls; one < it->calls + CALLS; one++)
        if (one->state != FREE && (one->incoming || !only_incoming)) ends(it, one, cause);
}

static call *find(exchange *it, piece key) {
    for (call *one = it->calls; one < it->calls + CALLS; one++) {
        piece known = {one->key, strlen(one->key)};
        if (one->state != FREE && same(known, key)) return one;
    }
    return NULL;
}

static call *take(exchange *it, piece key, state first, int incoming) {
    for (call *one = it->calls; one < it->calls + CALLS && key.length < LONGEST_KEY; one++) {
        if (one->state != FREE) continue;
        memcpy(one->key, key.at, key.length);
        one->key[key.length] = '\0';
        one->state = first;
        one->incoming = incoming;
        return one;
    }
    return NULL;
}

static void make_call(exchange *it, piece message, piece request) {
    piece to = value(message, "to");
    for (size_t i = 0; i < sizeof FAR_ENDS / sizeof *FAR_ENDS; i++) {
        if (!is(to, FAR_ENDS[i].address)) continue;
        call *one = take(it, value(message, "call"), DIALING, 0);
        if (!one) { refuse(it, request, "busy", "this line has 100 calls"); return; }
        done(it, request);
        enters(it, one, DIALING);
        for (const char *step = FAR_ENDS[i].states; *step; step++) enters(it, one, *step == 'r' ? RINGBACK : CONNECTED);
        if (FAR_ENDS[i].cause) ends(it, one, FAR_ENDS[i].cause);
        return;
    }
    refuse(it, request, "invalid_address", "this cannot be dialled; the far ends are rig:answers, rig:busy and so on");
}

/* The other operations on calls: from which states, and to which. */
static const struct { const char *op; state from, or_from, to; } STEPS[] = {
    {"accept", OFFERING, OFFERING, ACCEPTED},
    {"answer", OFFERING, ACCEPTED, CONNECTED},
    {"hold", CONNECTED, CONNECTED, ON_HOLD},
    {"unhold", ON_HOLD, ON_HOLD, CONNECTED},
};

static void on_call(exchange *it, piece message, piece request) {
    piece op = value(message, "op");
    if (is(op, "make_call")) { make_call(it, message, request); return; }
    call *one = find(it, value(message, "call"));
    if (!one) { refuse(it, request, "stale_handle", "there is no such call"); return; }
    if (is(op, "drop")) { done(it, request); ends(it, one, "normal_clearing"); return; }
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
        if (!is(op, STEPS[i].op)) continue;
        if (one->state == STEPS[i].from || one->state == STEPS[i].or_from) {
            done(it, request);
            enters(it, one, STEPS[i].to);
        } else {
            char detail[96];
            snprintf(detail, sizeof detail, "%s needs %s, the call is %s", STEPS[i].op, STATES[STEPS[i].from], STATES[one->state]);
            refuse(it, request, "invalid_state", detail);
        }
        return;
    }
    refuse(it, request, "unsupported", "this line has no such operation");
}

/* Lets a far end act, as the conformance suite asks (schema offhook.rig). */
static void play(exchange *it, piece message, piece request) {
    piece data = value(message, "data"), act = value(data, "data");
    int gives_up = is(act, "call_and_give_up");
    if (!is(value(message, "op"), "extension") || !is(value(data, "schema"), "offhook.rig")) {
        refuse(it, request, "unsupported", "this line has no such operation");
    } else if (is(act, "hang_up")) {
        done(it, request);
        all_end(it, 1, "normal_clearing");
    } else if (is(act, "replug")) {
        done(it, request);
        /* The server ends the calls of a line that goes. */
        memset(it->calls, 0, sizeof it->calls);
        say(it, "{\"event\":\"line_down\",\"line\":1}");
        say(it, "%s", LINE_UP);
    } else if (is(act, "call") || gives_up) {
        char key[LONGEST_KEY];
        int length = snprintf(key, sizeof key, "{\"named_by\":\"provider\",\"serial\":%lu}", ++it->named);
        piece named = {key, (size_t)length};
        call *one = take(it, named, OFFERING, 1);
        if (!one) { refuse(it, request, "busy", "this line has 100 calls"); return; }
        done(it, request);
        say(it, "{\"event\":\"new_call\",\"line\":1,\"call\":%s,\"info\":{\"direction\":\"incoming\",\"address\":0,"
                "\"caller\":{\"address\":\"toy-c:caller\"},\"media\":[\"audio\"]},\"state\":\"offering\"}", key);
        if (gives_up) ends(it, one, "cancelled");
    } else {
        refuse(it, request, "unsupported", "no far end can do this");
    }
}

/* Takes a message. What has a request gets exactly one reply, also when it is not known. */
static int32_t deliver(void *self, const uint8_t *bytes, size_t length) {
    exchange *it = self;
    piece message = {(const char *)bytes, length};
    piece command = value(message, "command"), request = value(message, "request"), ping = value(message, "ping");
    int to_the_line = is(command, "open") || is(command, "call") || is(command, "line");
    if (ping.length) {
        say(it, "{\"pong\":%.*s}", (int)ping.length, ping.at);
    } else if (to_the_line && !is(value(message, "line"), "1")) {
        refuse(it, request, "stale_handle", "there is no such line; the only one is 1");
    } else if (is(command, "open")) {
        done(it, request);
    } else if (is(command, "call")) {
        on_call(it, message, request);
    } else if (is(command, "line")) {
        play(it, message, request);
    } else if (is(command, "close")) {
        all_end(it, 0, "line_gone");
    } else {
        /* Hello, abandon and what belongs to media carry no request; anything else is newer than this provider. */
        refuse(it, request, "unsupported", "this provider does not know the command");
    }
    return 0;
}

static void close_it(void *self) {
    free(self);
}

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int32_t offhook_provider_open(const offhook_host *host, offhook_provider *provider) {
    if (host->size < sizeof *host || provider->size < sizeof *provider || host->spi_min > 1 || host->spi_max < 1) return 1;
    exchange *it = calloc(1, sizeof *it);
    if (!it) return 2;
    it->host = host;
    provider->size = sizeof *provider;
    provider->spi = 1;
    provider->self = it;
    provider->deliver = deliver;
    provider->close = close_it;
    say(it, "%s", INTRODUCTION);
    say(it, "%s", LINE_UP);
    say(it, "{\"event\":\"ready\"}");
    return 0;
}
