/* Where a redirect may lead, without asking anybody. */
#include "hub/hub_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static void redirects_lead_where_they_may(void **state) {
    (void)state;
    static const struct {
        const char *from, *location, *to; // NULL: it is not followed
    } rows[] = {
        {"https://a.org/x/y", "https://b.org/z?s=1", "https://b.org/z?s=1"},
        {"https://a.org/x/y", "/z", "https://a.org/z"},
        {"https://a.org/x/y", "z", "https://a.org/x/z"},
        {"http://a.org/x", "https://a.org/x", "https://a.org/x"},
        {"http://a.org/x", "http://b.org/x", "http://b.org/x"},
        {"https://a.org/x", "http://a.org/x", NULL},
        {"https://a.org/x", "HTTP://a.org/x", NULL},
        {"https://a.org/x", "file:///etc/passwd", NULL},
        {"http://a.org/x", "file:///etc/passwd", NULL},
        {"http://a.org/x", "ftp://a.org/x", NULL},
        {"http://a.org/x", "gopher://a.org/x", NULL},
        {"http://a.org/x", "", NULL},
        {"http://a.org/x", "http://[::1", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[RG_HTTP_URL_MAX] = "untouched";
        rg_error err = {0};
        const rg_status status = rg_http_redirect(rows[i].from, rows[i].location, out, &err);
        assert_int_equal(status, rows[i].to == NULL ? RG_E_UNSUPPORTED : RG_OK);
        assert_string_equal(out, rows[i].to == NULL ? "untouched" : rows[i].to);
    }
}

static void private_addresses_are_known(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is_private;
    } rows[] = {
        {"127.0.0.1", true},
        {"10.1.2.3", true},
        {"172.16.0.1", true},
        {"172.31.255.9", true},
        {"172.32.0.1", false},
        {"192.168.1.1", true},
        {"192.169.1.1", false},
        {"169.254.169.254", true},
        {"100.64.0.1", true},
        {"100.128.0.1", false},
        {"0.0.0.0", true},
        {"8.8.8.8", false},
        {"::1", true},
        {"::", true},
        {"fe80::1", true},
        {"fc00::1", true},
        {"fdff::1", true},
        {"2001:4860:4860::8888", false},
        {"::ffff:10.0.0.1", true},
        {"::ffff:8.8.8.8", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sockaddr_in four = {.sin_family = AF_INET};
        struct sockaddr_in6 six = {.sin6_family = AF_INET6};
        const bool is_six = strchr(rows[i].text, ':') != NULL;
        assert_int_equal(inet_pton(is_six ? AF_INET6 : AF_INET, rows[i].text,
                                   is_six ? (void *)&six.sin6_addr : (void *)&four.sin_addr),
                         1);
        const void *address = is_six ? (const void *)&six : (const void *)&four;
        assert_int_equal(rg_http_is_private(address), rows[i].is_private);
    }
}

static void texts_are_encoded(void **state) {
    (void)state;
    rg_buf out;
    rg_buf_init(&out, rg_mem_heap(), 0);
    rg_http_encode(&out, RG_STR("a b/c?d#%.gguf"), true);
    assert_string_equal(rg_buf_cstr(&out), "a%20b/c%3Fd%23%25.gguf");
    rg_buf_clear(&out);
    rg_http_encode(&out, RG_STR("a/b"), false);
    assert_string_equal(rg_buf_cstr(&out), "a%2Fb");
    rg_buf_clear(&out);
}

static void waits_grow_and_end(void **state) {
    (void)state;
    rg_http *http = NULL;
    const rg_http_options o = {.origin = "https://a.org"};
    assert_int_equal(rg_http_new(rg_mem_heap(), &o, &http, NULL), RG_OK);
    for (unsigned n = 0; n < 40; n++) {
        const uint64_t whole = n >= 6 ? 30000 : (uint64_t)500 << n;
        const uint64_t ms = rg_http_backoff_ms(http, n);
        assert_true(ms <= whole && ms >= whole * 3 / 4);
    }
    rg_http_free(http);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redirects_lead_where_they_may),
        cmocka_unit_test(private_addresses_are_known),
        cmocka_unit_test(texts_are_encoded),
        cmocka_unit_test(waits_grow_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
