/* The one file that knows libmicrohttpd. */
#include "serve/http.h"
#include "serve/http_guard.h"

#include "base/clock.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    IDLE_S = 60,         // without a byte either way
    HEADERS_S = 10,      // from a connection to the end of its first headers
    BODY_S = 30,         // of a body, and a second more
    BODY_BYTES_S = 1024, // for each of these
    PING_MS = 15000,
    LOOK_MS = 100,  // between two looks at whether a client is still there
    LAST_MS = 2000, // that finished answers have on their way out at the end
    STACK_BYTES = 1 << 20,
    DRAIN_MAX = 256 << 20, // bytes that are thrown away so that a refusal arrives
    BLOCK_BYTES = 32 << 10,
};

/** A connection that is open. */
typedef struct wire {
    struct rg_http *http;
    int fd;
    struct wire *next, **at; // guarded by http->lock
    uint64_t since_ns;       // what it waits for began then; likewise
    size_t n_body;           // bytes of the body so far; likewise
    enum { FIRST_HEADERS, HEADERS, BODY, ANSWER } waits_for; // likewise
} wire;

/** A request on its way. */
typedef struct exchange {
    struct rg_http *http;
    struct MHD_Connection *connection;
    wire *wire;
    rg_http_request request;
    const rg_route *route;
    const char *origin; // told that it may; NULL: none
    rg_buf body;
    size_t n_counted; // bytes of it in http->n_bodies
    size_t n_drained;
    rg_fault fault; // status 0: none so far
    const char *allow;
    bool is_preflight;
} exchange;

struct rg_http {
    const rg_mem *mem;
    rg_http_options options;
    struct MHD_Daemon *daemon;
    uint16_t port;
    pthread_mutex_t lock;
    wire *wires; // guarded by lock
    size_t n_wires;
    atomic_size_t n_bodies; // relaxed: a sum that no other memory depends on
    pthread_t watch;
    pthread_cond_t wake; // of the watch; with lock
    bool has_watch, is_stopping;
};

// ---- connections ----

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code) {
    rg_http *http = arg;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        wire *w = rg_new(http->mem, sizeof *w);
        if (w == NULL) {
            return; // its requests are refused
        }
        *w = (wire){.http = http, .fd = info->connect_fd, .since_ns = rg_clock_ns()};
        pthread_mutex_lock(&http->lock);
        w->next = http->wires;
        w->at = &http->wires;
        if (w->next != NULL) {
            w->next->at = &w->next;
        }
        http->wires = w;
        http->n_wires++;
        pthread_mutex_unlock(&http->lock);
        *context = w;
    } else if (*context != NULL) {
        wire *w = *context;
        pthread_mutex_lock(&http->lock);
        *w->at = w->next;
        if (w->next != NULL) {
            w->next->at = w->at;
        }
        http->n_wires--;
        pthread_mutex_unlock(&http->lock);
        rg_free(http->mem, w);
        *context = NULL;
    }
}

static void waits_for(wire *w, int what, size_t n_body) {
    if (w != NULL) {
        pthread_mutex_lock(&w->http->lock);
        if ((int)w->waits_for != what) {
            w->since_ns = rg_clock_ns();
        }
        w->waits_for = what;
        w->n_body = n_body;
        pthread_mutex_unlock(&w->http->lock);
    }
}

static bool is_late(const wire *w, uint64_t now_ns) {
    const uint64_t s = (now_ns - w->since_ns) / 1000000000u;
    switch (w->waits_for) {
    case FIRST_HEADERS:
        return s > HEADERS_S;
    case HEADERS:
        return s > IDLE_S + HEADERS_S;
    case BODY:
        return s > BODY_S + w->n_body / BODY_BYTES_S;
    case ANSWER:
        break;
    }
    return false;
}

// senders that are slow on purpose: the library's own timeout starts anew with every byte
static void *watch(void *arg) {
    rg_http *http = arg;
    pthread_mutex_lock(&http->lock);
    while (!http->is_stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&http->wake, &http->lock, &until);
        const uint64_t now_ns = rg_clock_ns();
        for (wire *w = http->wires; w != NULL; w = w->next) {
            if (is_late(w, now_ns)) {
                shutdown(w->fd, SHUT_RDWR); // its thread closes it
            }
        }
    }
    pthread_mutex_unlock(&http->lock);
    return NULL;
}

bool rg_http_has_left(const rg_http_request *request) {
    const wire *w = request->wire;
    struct pollfd p = {.fd = w->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

// ---- answers ----

static void add_header(struct MHD_Response *response, const char *name, const char *value) {
    (void)MHD_add_response_header(response, name, value); // for want of memory: without it
}

static void add_headers(const exchange *x, struct MHD_Response *response,
                        const rg_http_answer *answer) {
    char number[16];
    add_header(response, "Content-Type", answer->type);
    add_header(response, "X-Request-Id", x->request.id);
    add_header(response, "Request-Id", x->request.id);
    add_header(response, "X-Content-Type-Options", "nosniff");
    add_header(response, "Cache-Control", "no-store");
    if (answer->status >= 400) {
        // programs ask three times unless they are told that it is of no use
        add_header(response, "X-Should-Retry", answer->retry_after_s != 0 ? "true" : "false");
    }
    if (answer->retry_after_s != 0) {
        snprintf(number, sizeof number, "%u", answer->retry_after_s);
        add_header(response, "Retry-After", number);
    }
    if (x->allow != NULL) {
        add_header(response, "Allow", x->allow);
    }
    if (x->origin != NULL) {
        add_header(response, "Access-Control-Allow-Origin", x->origin);
        add_header(response, "Vary", "Origin");
        add_header(response, "Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
    }
    if (x->is_preflight) {
        add_header(response, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
        add_header(response, "Access-Control-Allow-Headers",
                   "Authorization, Content-Type, X-Api-Key, Anthropic-Version, Anthropic-Beta");
        add_header(response, "Access-Control-Max-Age", "600");
    }
}

/** A source, and the connection that reads it. */
typedef struct reader {
    const rg_mem *mem;
    rg_http_source source;
    rg_http_request request;
    struct MHD_Connection *connection;
    uint64_t told_ns; // something was written then
    bool is_ended;
} reader;

static ssize_t read_source(void *arg, uint64_t pos, char *out, size_t max) {
    reader *r = arg;
    (void)pos;
    // waiting for us is not idling
    MHD_set_connection_option(r->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    for (;;) {
        bool is_end = false;
        size_t n = r->source.read(r->source.arg, out, max, LOOK_MS, &is_end);
        if (n == 0 && is_end) {
            r->is_ended = true;
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
        if (n == 0 && rg_http_has_left(&r->request)) {
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
        const uint64_t now_ns = rg_clock_ns();
        const rg_str ping = rg_str_of(r->source.ping);
        if (n == 0 && ping.size != 0 && ping.size <= max &&
            now_ns - r->told_ns > PING_MS * 1000000ull) {
            memcpy(out, ping.data, ping.size);
            n = ping.size;
        }
        if (n != 0) {
            r->told_ns = now_ns;
            // a reader that is too slow is
            MHD_set_connection_option(r->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                      (unsigned)IDLE_S);
            return (ssize_t)n;
        }
    }
}

static void close_source(void *arg) {
    reader *r = arg;
    r->source.close(r->source.arg, !r->is_ended);
    rg_free(r->mem, r);
}

static struct MHD_Response *make_response(const exchange *x, rg_http_answer *answer) {
    if (answer->source.read == NULL) {
        size_t size = 0;
        const char *data = rg_buf_cstr(&answer->body);
        size = answer->body.size;
        return MHD_create_response_from_buffer(size, (void *)(uintptr_t)data,
                                               MHD_RESPMEM_MUST_COPY);
    }
    reader *r = rg_new(x->http->mem, sizeof *r);
    if (r == NULL) {
        answer->source.close(answer->source.arg, true);
        return NULL;
    }
    *r = (reader){.mem = x->http->mem,
                  .source = answer->source,
                  .request = x->request,
                  .connection = x->connection,
                  .told_ns = rg_clock_ns()};
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES,
                                                                      read_source, r, close_source);
    if (response == NULL) {
        close_source(r);
    }
    return response;
}

static enum MHD_Result send_answer(exchange *x, rg_http_answer *answer) {
    struct MHD_Response *response = make_response(x, answer);
    if (response == NULL) {
        return MHD_NO;
    }
    add_headers(x, response, answer);
    const enum MHD_Result queued = MHD_queue_response(x->connection, answer->status, response);
    MHD_destroy_response(response);
    return queued;
}

// the whole request is there: answer it
static enum MHD_Result answer_request(exchange *x) {
    rg_http *http = x->http;
    rg_http_answer answer = {.status = 200, .type = "application/json"};
    rg_buf_init(&answer.body, http->mem, 0);
    waits_for(x->wire, ANSWER, 0);
    MHD_set_connection_option(x->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    x->request.body = rg_buf_view(&x->body);
    if (x->fault.status != 0) {
        rg_http_refuse(&answer, &x->fault, x->request.path, x->request.id);
    } else if (x->is_preflight) {
        answer.status = 204;
    } else {
        x->route->handler(http->options.arg, &x->request, &answer);
    }
    if (answer.body.is_failed) {
        rg_fault_set(&x->fault, 500, NULL, "no memory for the answer");
        rg_buf_clear(&answer.body);
        rg_buf_init(&answer.body, http->mem, 0);
        rg_http_refuse(&answer, &x->fault, x->request.path, x->request.id);
    }
    MHD_set_connection_option(x->connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)IDLE_S);
    const enum MHD_Result result = send_answer(x, &answer);
    rg_buf_clear(&answer.body);
    return result;
}

// ---- requests ----

static const char *header(const exchange *x, const char *name) {
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static bool matches(const char *pattern, const char *path) {
    const size_t n = strlen(pattern);
    return n != 0 && pattern[n - 1] == '*' ? strncmp(pattern, path, n - 1) == 0
                                           : strcmp(pattern, path) == 0;
}

static bool find_route(exchange *x) {
    const char *method = strcmp(x->request.method, "HEAD") == 0 ? "GET" : x->request.method;
    for (const rg_route *r = x->http->options.routes; r->path != NULL; r++) {
        if (matches(r->path, x->request.path)) {
            if (strcmp(r->method, method) == 0) {
                x->route = r;
                return true;
            }
            x->allow = r->method;
        }
    }
    if (x->allow != NULL) {
        return rg_fault_set(&x->fault, 405, NULL, "%.16s is not what %.128s takes: %s is",
                            x->request.method, x->request.path, x->allow);
    }
    return rg_fault_set(&x->fault, 404, NULL, "there is nothing at %.128s", x->request.path);
}

static enum MHD_Result count_lengths(void *arg, enum MHD_ValueKind kind, const char *key,
                                     const char *value) {
    unsigned *n = arg;
    (void)kind;
    (void)value;
    *n += strcasecmp(key, "Content-Length") == 0 || strcasecmp(key, "Transfer-Encoding") == 0;
    return MHD_YES;
}

static bool check_body(exchange *x) {
    const char *encoding = header(x, "Content-Encoding");
    const char *length = header(x, "Content-Length");
    unsigned n_lengths = 0;
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, count_lengths, &n_lengths);
    if (n_lengths > 1) {
        return rg_fault_set(&x->fault, 400, NULL, "the length of the body is told more than once");
    }
    if (encoding != NULL && strcasecmp(encoding, "identity") != 0) {
        return rg_fault_set(&x->fault, 415, NULL, "bodies are read as they are, not compressed");
    }
    if (length != NULL && strtoull(length, NULL, 10) > x->http->options.body_max) {
        return rg_fault_set(&x->fault, 413, NULL, "a body of %.20s bytes, at most %zu are read",
                            length, x->http->options.body_max);
    }
    return true;
}

static void make_id(char *out, size_t size) {
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    unsigned char bytes[24];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        memset(bytes, 0, sizeof bytes);
    }
    int n = snprintf(out, size, "req_");
    for (size_t i = 0; i < sizeof bytes && (size_t)n + 1 < size; i++) {
        out[n++] = letters[bytes[i] % (sizeof letters - 1)];
    }
    out[n] = '\0';
}

// the headers are there: may it ask, and for what?
static void admit(exchange *x, const char *version) {
    const rg_asker asker = {.host = header(x, "Host"),
                            .origin = header(x, "Origin"),
                            .authorization = header(x, "Authorization"),
                            .key = {header(x, "X-Api-Key"), header(x, "X-Goog-Api-Key")},
                            .is_http11 = strcmp(version, "HTTP/1.0") != 0};
    const bool is_options = strcmp(x->request.method, "OPTIONS") == 0;
    const bool is_found = !is_options && find_route(x);
    rg_fault missing = x->fault;
    const bool needs_key = !is_options && (!is_found || !x->route->is_open);
    memset(&x->fault, 0, sizeof x->fault);
    if (rg_http_is_listed(&x->http->options, asker.origin)) {
        x->origin = asker.origin;
    }
    if (!rg_http_may(&x->http->options, &asker, needs_key, &x->request.key, &x->fault) ||
        !check_body(x)) {
        x->allow = NULL;
    } else if (is_options) {
        x->is_preflight = true;
    } else {
        x->fault = missing;
    }
}

static enum MHD_Result begin(rg_http *http, struct MHD_Connection *connection, const char *path,
                             const char *method, const char *version, void **context) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    exchange *x =
        info == NULL || info->socket_context == NULL ? NULL : rg_new(http->mem, sizeof *x);
    if (x == NULL) {
        return MHD_NO;
    }
    x->http = http;
    x->connection = connection;
    x->wire = info->socket_context;
    x->request = (rg_http_request){.method = method, .path = path, .wire = x->wire};
    rg_buf_init(&x->body, http->mem, http->options.body_max);
    make_id(x->request.id, sizeof x->request.id);
    *context = x;
    admit(x, version);
    waits_for(x->wire, BODY, 0);
    const char *expect = header(x, "Expect");
    // who waits for leave to send need not send for nothing
    return x->fault.status != 0 && expect != NULL ? answer_request(x) : MHD_YES;
}

static enum MHD_Result take(exchange *x, const char *data, size_t *size) {
    rg_http *http = x->http;
    if (x->fault.status == 0 && *size > http->options.body_max - x->body.size) {
        rg_fault_set(&x->fault, 413, NULL, "a body of more than %zu bytes", http->options.body_max);
    }
    if (x->fault.status != 0) {
        x->n_drained += *size;
        *size = 0;
        return x->n_drained > DRAIN_MAX ? MHD_NO : MHD_YES;
    }
    if (atomic_fetch_add_explicit(&http->n_bodies, *size, memory_order_relaxed) + *size >
        RG_HTTP_BODIES_MAX) {
        atomic_fetch_sub_explicit(&http->n_bodies, *size, memory_order_relaxed);
        rg_fault_set(&x->fault, 503, NULL, "too many large requests at once");
        x->fault.retry_after_s = 1;
        return MHD_YES; // the same bytes come again, to be thrown away
    }
    x->n_counted += *size;
    rg_buf_put(&x->body, data, *size);
    *size = 0;
    waits_for(x->wire, BODY, x->body.size);
    if (x->body.is_failed) {
        rg_fault_set(&x->fault, 503, NULL, "no memory for the request");
        x->fault.retry_after_s = 1;
    }
    return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **context) {
    if (*context == NULL) {
        return begin(arg, connection, path, method, version, context);
    }
    return *size != 0 ? take(*context, data, size) : answer_request(*context);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code) {
    (void)arg;
    (void)connection;
    (void)code;
    exchange *x = *context;
    if (x != NULL) {
        atomic_fetch_sub_explicit(&x->http->n_bodies, x->n_counted, memory_order_relaxed);
        waits_for(x->wire, HEADERS, 0);
        rg_buf_clear(&x->body);
        rg_free(x->http->mem, x);
        *context = NULL;
    }
}

// ---- listening ----

static rg_status listen_at(const char *host, uint16_t port, int *out, uint16_t *chosen,
                           rg_error *err) {
    char service[8];
    struct addrinfo *list = NULL;
    struct sockaddr_storage at = {0};
    socklen_t size = sizeof at;
    rg_status status = RG_E_IO;
    int fd = -1;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    snprintf(service, sizeof service, "%u", port);
    const int failed = getaddrinfo(host, service, &hints, &list);
    if (failed != 0) {
        return rg_fail(err, RG_E_IO, "cannot listen at %.128s: %s", host, gai_strerror(failed));
    }
    const int on = 1;
    fd = socket(list->ai_family, list->ai_socktype | SOCK_CLOEXEC, list->ai_protocol);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, list->ai_addr, list->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        rg_fail(err, RG_E_IO, "cannot listen at %.128s, port %u: %s", host, port, strerror(errno));
        goto done;
    }
    *chosen = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                             : ((struct sockaddr_in *)&at)->sin_port);
    *out = fd;
    fd = -1;
    status = RG_OK;

done:
    if (fd >= 0) {
        close(fd);
    }
    freeaddrinfo(list);
    return status;
}

static void be_quiet(void *arg, const char *format, va_list args) {
    (void)arg;
    (void)format;
    (void)args;
}

rg_status rg_http_start(const rg_mem *mem, const rg_http_options *options, rg_http **out,
                        rg_error *err) {
    rg_status status = RG_OK;
    pthread_condattr_t clock;
    int fd = -1;
    rg_http *http = rg_new(mem, sizeof *http);
    if (http == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a server");
    }
    http->mem = mem;
    http->options = *options;
    pthread_mutex_init(&http->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&http->wake, &clock);
    pthread_condattr_destroy(&clock);
    RG_TRY(listen_at(options->host, options->port, &fd, &http->port, err));
    *out = http; // before there are threads that may look for it
    http->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
            MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, be_quiet, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)options->n_connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)RG_HTTP_HEADERS_MAX,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_END);
    if (http->daemon == NULL) {
        status = rg_fail(err, RG_E_IO, "cannot start to answer at %.128s, port %u", options->host,
                         http->port);
        goto done;
    }
    fd = -1; // the library closes it
    http->has_watch = pthread_create(&http->watch, NULL, watch, http) == 0;
    if (!http->has_watch) {
        status = rg_fail(err, RG_E_MEMORY, "no thread to watch connections");
    }

done:
    if (fd >= 0) {
        close(fd);
    }
    if (status != RG_OK) {
        rg_http_stop(http);
        *out = NULL;
    }
    return status;
}

uint16_t rg_http_port(const rg_http *http) {
    return http->port;
}

size_t rg_http_connections(rg_http *http) {
    pthread_mutex_lock(&http->lock);
    const size_t n = http->n_wires;
    pthread_mutex_unlock(&http->lock);
    return n;
}

void rg_http_quiesce(rg_http *http) {
    const int fd = MHD_quiesce_daemon(http->daemon);
    if (fd >= 0) {
        close(fd); // it is ours from now on
    }
}

static bool is_answering(rg_http *http) {
    bool is = false;
    pthread_mutex_lock(&http->lock);
    for (const wire *w = http->wires; w != NULL; w = w->next) {
        is = is || w->waits_for == ANSWER;
    }
    pthread_mutex_unlock(&http->lock);
    return is;
}

void rg_http_stop(rg_http *http) {
    if (http == NULL) {
        return;
    }
    if (http->daemon != NULL) {
        // answers that are made already are sent; who does not read them is not waited for
        for (int ms = 0; ms < LAST_MS && is_answering(http); ms += 10) {
            poll(NULL, 0, 10);
        }
        MHD_stop_daemon(http->daemon);
    }
    if (http->has_watch) {
        pthread_mutex_lock(&http->lock);
        http->is_stopping = true;
        pthread_cond_signal(&http->wake);
        pthread_mutex_unlock(&http->lock);
        pthread_join(http->watch, NULL);
    }
    pthread_cond_destroy(&http->wake);
    pthread_mutex_destroy(&http->lock);
    rg_free(http->mem, http);
}
