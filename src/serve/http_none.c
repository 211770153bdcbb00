/* In a build without libmicrohttpd. */
#include "serve/http.h"

rg_status rg_http_start(const rg_mem *mem, const rg_http_options *options, rg_http **out,
                        rg_error *err) {
    (void)mem;
    (void)options;
    (void)out;
    return rg_fail(err, RG_E_UNSUPPORTED,
                   "this build cannot serve: libmicrohttpd was not there when it was made");
}

uint16_t rg_http_port(const rg_http *http) {
    (void)http;
    return 0;
}

size_t rg_http_connections(rg_http *http) {
    (void)http;
    return 0;
}

void rg_http_quiesce(rg_http *http) {
    (void)http;
}

void rg_http_stop(rg_http *http) {
    (void)http;
}

bool rg_http_has_left(const rg_http_request *request) {
    (void)request;
    return true;
}
