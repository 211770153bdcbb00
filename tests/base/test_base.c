/* The ground floor: memory, buffers, maps, UTF-8, files, threads, processor facts. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/utf8.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- errors ----

static void an_error_keeps_its_sentence(void **state) {
    (void)state;
    rg_error err = {0};
    assert_int_equal(rg_fail(&err, RG_E_LIMIT, "%d is more than %d", 3, 2), RG_E_LIMIT);
    assert_string_equal(err.text, "3 is more than 2");
    rg_error_prefix(&err, "file %s", "x");
    assert_string_equal(err.text, "file x: 3 is more than 2");
    assert_int_equal(rg_fail(NULL, RG_E_IO, "nobody listens"), RG_E_IO);
    for (int i = 0; i < 1000; i++) {
        rg_error_prefix(&err, "again and again"); // what does not fit is cut, never written past
    }
    assert_int_equal(strlen(err.text), RG_ERROR_BYTES - 1);
    assert_string_equal(rg_status_name(RG_E_FORMAT), "format");
    assert_string_equal(rg_status_name((rg_status)99), "unknown");
}

// ---- memory ----

static void sizes_that_overflow_are_refused(void **state) {
    (void)state;
    size_t n = 7;
    assert_false(rg_mul_size(SIZE_MAX, 2, &n));
    assert_false(rg_add_size(SIZE_MAX, 1, &n));
    assert_int_equal(n, 7);
    assert_true(rg_mul_size(SIZE_MAX, 1, &n) && n == SIZE_MAX);
    assert_null(rg_new_array(rg_mem_heap(), SIZE_MAX / 2, 4));
    assert_null(rg_alloc(rg_mem_heap(), SIZE_MAX));
}

static void an_arena_keeps_within_its_limit(void **state) {
    (void)state;
    torture t;
    rg_arena arena;
    torture_init(&t, 0);
    rg_arena_init(&arena, &t.mem, 1000);
    char *a = rg_arena_alloc(&arena, 500);
    assert_non_null(a);
    for (int i = 0; i < 500; i++) {
        assert_int_equal(a[i], 0);
    }
    assert_null(rg_arena_alloc(&arena, 600));
    assert_non_null(rg_arena_alloc(&arena, 480));
    assert_null(rg_arena_alloc(&arena, SIZE_MAX));
    rg_arena_clear(&arena);
    assert_int_equal(t.n_live, 0);
}

static void a_buffer_tells_limit_from_memory(void **state) {
    (void)state;
    rg_buf buf;
    rg_error err = {0};
    torture t;
    rg_buf_init(&buf, rg_mem_heap(), 10);
    rg_buf_str(&buf, RG_STR("0123456789"));
    assert_int_equal(rg_buf_check(&buf, "x", &err), RG_OK);
    assert_string_equal(rg_buf_cstr(&buf), "0123456789");
    rg_buf_char(&buf, 'x');
    assert_int_equal(rg_buf_check(&buf, "the text", &err), RG_E_LIMIT);
    assert_non_null(strstr(err.text, "the text is larger than 10"));
    rg_buf_clear(&buf);
    torture_init(&t, 1);
    rg_buf_init(&buf, &t.mem, 100);
    rg_buf_char(&buf, 'x');
    assert_int_equal(rg_buf_check(&buf, "x", &err), RG_E_MEMORY);
    rg_buf_clear(&buf);
    rg_buf_init(&buf, rg_mem_heap(), 0);
    rg_buf_format(&buf, "%0500d", 1); // longer than the first try of the formatter
    assert_int_equal(buf.size, 500);
    buf.size = 0;
    rg_buf_json(&buf, (rg_str){"a\"\\\n\x01\xff\xC3\xA9\xE2\x80\xA8", 11});
    assert_string_equal(rg_buf_cstr(&buf), "\"a\\\"\\\\\\n\\u0001\xEF\xBF\xBD\xC3\xA9\\u2028\"");
    rg_buf_clear(&buf);
}

static void a_map_finds_what_was_added(void **state) {
    (void)state;
    enum { N = 20000 };
    static char keys[N][12];
    rg_map map;
    rg_error err = {0};
    rg_map_init(&map, rg_mem_heap());
    assert_int_equal(rg_map_find(&map, RG_STR("x")), RG_MAP_NONE);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t old = 0;
        snprintf(keys[i], sizeof keys[i], "key%u", i);
        assert_int_equal(rg_map_add(&map, rg_str_of(keys[i]), i, &old, &err), RG_OK);
        assert_int_equal(old, RG_MAP_NONE);
    }
    uint32_t old = 0;
    assert_int_equal(rg_map_add(&map, RG_STR("key7"), 9, &old, &err), RG_OK);
    assert_int_equal(old, 7);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(rg_map_find(&map, rg_str_of(keys[i])), i);
    }
    assert_int_equal(rg_map_find(&map, RG_STR("")), RG_MAP_NONE);
    assert_int_equal(rg_map_add(&map, (rg_str){NULL, 0}, 5, NULL, &err), RG_OK);
    assert_int_equal(rg_map_find(&map, RG_STR("")), 5);
    rg_map_clear(&map);
}

// ---- UTF-8 ----

static void every_code_point_round_trips(void **state) {
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
        char text[4];
        uint32_t back = 0;
        const size_t n = rg_utf8_encode(cp, text);
        const size_t used = rg_utf8_decode((rg_str){text, n}, &back);
        if (cp >= 0xD800 && cp < 0xE000) {
            assert_int_equal(back, RG_UTF8_BAD);
        } else {
            assert_true(back == cp && used == n);
        }
        for (size_t cut = 1; cut < n && (cp < 0xD800 || cp >= 0xE000); cut++) {
            assert_int_equal(rg_utf8_open_tail((rg_str){text, cut}), cut);
        }
        assert_int_equal(rg_utf8_open_tail((rg_str){text, n}), 0);
    }
}

static void ill_formed_parts_are_maximal(void **state) {
    (void)state;
    const struct {
        const char *text;
        size_t n;
        size_t used;
    } rows[] = {{"\x80", 1, 1},         {"\xC0\xAF", 2, 1},         {"\xC3", 1, 1},
                {"\xE2\x82", 2, 2},     {"\xE2\x28\xA1", 3, 1},     {"\xE0\x80\x80", 3, 1},
                {"\xF0\x9F\x98", 3, 3}, {"\xF4\x90\x80\x80", 4, 1}, {"\xF5\x80", 2, 1},
                {"\xED\xA0\x80", 3, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t cp = 0;
        assert_int_equal(rg_utf8_decode((rg_str){rows[i].text, rows[i].n}, &cp), rows[i].used);
        assert_int_equal(cp, RG_UTF8_BAD);
        assert_false(rg_utf8_is_valid((rg_str){rows[i].text, rows[i].n}));
    }
}

// ---- files ----

static void a_device_is_not_replaced_by_a_file(void **state) {
    (void)state;
    char path[128];
    rg_error err = {0};
    rg_file_writer w;
    snprintf(path, sizeof path, "/tmp/raga-test-fifo-%d", (int)getpid());
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(rg_file_writer_open(&w, path, &err), RG_E_ARG);
    assert_non_null(strstr(err.text, "FIFO"));
    unlink(path);
}

static void a_write_is_whole_or_not_at_all(void **state) {
    (void)state;
    char path[128];
    rg_error err = {0};
    rg_bytes bytes = {0};
    rg_file_writer w;
    snprintf(path, sizeof path, "/tmp/raga-test-file-%d", (int)getpid());
    assert_int_equal(rg_file_write(path, "old", 3, &err), RG_OK);
    assert_int_equal(rg_file_writer_open(&w, path, &err), RG_OK);
    assert_int_equal(rg_file_writer_put(&w, "newer", 5, &err), RG_OK);
    rg_file_writer_abort(&w); // as a crash would: the old one stays
    assert_int_equal(rg_file_read(rg_mem_heap(), path, 100, &bytes, &err), RG_OK);
    assert_int_equal(bytes.size, 3);
    rg_free(rg_mem_heap(), (void *)bytes.data);
    assert_int_equal(rg_file_write(path, "newer", 5, &err), RG_OK);
    assert_int_equal(rg_file_read(rg_mem_heap(), path, 4, &bytes, &err), RG_E_LIMIT);
    assert_int_equal(rg_file_read(rg_mem_heap(), path, 5, &bytes, &err), RG_OK);
    assert_memory_equal(bytes.data, "newer", 6);
    rg_free(rg_mem_heap(), (void *)bytes.data);
    unlink(path);
    assert_int_equal(rg_file_read(rg_mem_heap(), path, 5, &bytes, &err), RG_E_NOT_FOUND);
    assert_int_equal(rg_file_write("/no/such/folder/file", "x", 1, &err), RG_E_NOT_FOUND);
}

static void an_empty_file_maps_to_nothing(void **state) {
    (void)state;
    char path[128];
    rg_error err = {0};
    rg_file_map map;
    snprintf(path, sizeof path, "/tmp/raga-test-empty-%d", (int)getpid());
    assert_int_equal(rg_file_write(path, "", 0, &err), RG_OK);
    assert_int_equal(rg_file_map_open(path, &map, &err), RG_OK);
    assert_int_equal(map.bytes.size, 0);
    assert_true(rg_file_is_intact(&map));
    rg_file_map_close(&map);
    unlink(path);
}

// ---- threads ----

typedef struct count {
    atomic_size_t sum;
    atomic_uint threads; // bits of those that worked
} count;

static void add_chunk(void *arg, size_t chunk, unsigned thread) {
    count *c = arg;
    atomic_fetch_add(&c->sum, chunk + 1);
    atomic_fetch_or(&c->threads, 1u << thread);
}

static void every_chunk_runs_once(void **state) {
    (void)state;
    rg_error err = {0};
    for (unsigned n_threads = 1; n_threads <= 5; n_threads++) {
        rg_pool *pool = NULL;
        assert_int_equal(rg_pool_new(rg_mem_heap(), n_threads, &pool, &err), RG_OK);
        for (size_t round = 0; round < 3000; round++) {
            const size_t n = round % 37;
            count c = {0};
            rg_pool_run(pool, n, add_chunk, &c);
            assert_int_equal(atomic_load(&c.sum), n * (n + 1) / 2);
            assert_true(atomic_load(&c.threads) < 1u << n_threads);
            if (round % 1000 == 0) {
                usleep(20000); // long enough for the workers to fall asleep
            }
        }
        rg_pool_free(pool);
    }
    rg_pool *pool = NULL;
    assert_int_equal(rg_pool_new(rg_mem_heap(), 0, &pool, &err), RG_E_ARG);
    assert_int_equal(rg_pool_new(rg_mem_heap(), 100000, &pool, &err), RG_E_ARG);
}

// two threads on one core: the owner must not sleep until the other has had its turn
static void a_thread_that_does_not_run_is_not_waited_for(void **state) {
    (void)state;
    enum { SECTIONS = 2000 };
    rg_error err = {0};
    rg_pool *pool = NULL;
    cpu_set_t all;
    cpu_set_t one;
    struct rusage before;
    struct rusage after;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &all)) {
            CPU_SET(i, &one);
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(rg_pool_new(rg_mem_heap(), 2, &pool, &err), RG_OK);
    assert_int_equal(getrusage(RUSAGE_THREAD, &before), 0);
    for (size_t i = 0; i < SECTIONS; i++) {
        count c = {0};
        rg_pool_run(pool, 8, add_chunk, &c);
        assert_int_equal(atomic_load(&c.sum), 36);
    }
    assert_int_equal(getrusage(RUSAGE_THREAD, &after), 0);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    rg_pool_free(pool);
    assert_in_range(after.ru_nvcsw - before.ru_nvcsw, 0, SECTIONS / 10);
}

// ---- processor ----

static void a_mask_takes_what_lies_above(void **state) {
    (void)state;
    const rg_cpu all = {true, true, true, true, false};
    assert_string_equal(rg_cpu_level_name(all), "avx512");
    assert_string_equal(rg_cpu_level_name(rg_cpu_mask(all, RG_CPU_AVX2)), "avx2");
    assert_false(rg_cpu_mask(all, RG_CPU_AVX2).has_avx512_vnni);
    assert_string_equal(rg_cpu_level_name(rg_cpu_mask(all, RG_CPU_SCALAR)), "scalar");
    assert_true(rg_cpu_mask(all, RG_CPU_AUTO).has_avx512_bf16);
    assert_true(rg_cpu_threads() >= 1);
    assert_true(rg_cpu_memory_free() > 1 << 20);
    const uint64_t now = rg_clock_ns();
    assert_true(rg_clock_ns() >= now);
}

static void the_environment_forces_a_path(void **state) {
    (void)state;
    rg_cpu cpu;
    rg_error err = {0};
    setenv("RAGA_CPU", "scalar", 1);
    assert_int_equal(rg_cpu_choose(&cpu, &err), RG_OK);
    assert_false(cpu.has_avx2);
    setenv("RAGA_CPU", "pentium", 1);
    assert_int_equal(rg_cpu_choose(&cpu, &err), RG_E_ARG);
    assert_non_null(strstr(err.text, "pentium"));
    unsetenv("RAGA_CPU");
    assert_int_equal(rg_cpu_choose(&cpu, &err), RG_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_keeps_its_sentence),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(an_arena_keeps_within_its_limit),
        cmocka_unit_test(a_buffer_tells_limit_from_memory),
        cmocka_unit_test(a_map_finds_what_was_added),
        cmocka_unit_test(every_code_point_round_trips),
        cmocka_unit_test(ill_formed_parts_are_maximal),
        cmocka_unit_test(a_device_is_not_replaced_by_a_file),
        cmocka_unit_test(a_write_is_whole_or_not_at_all),
        cmocka_unit_test(an_empty_file_maps_to_nothing),
        cmocka_unit_test(every_chunk_runs_once),
        cmocka_unit_test(a_thread_that_does_not_run_is_not_waited_for),
        cmocka_unit_test(a_mask_takes_what_lies_above),
        cmocka_unit_test(the_environment_forces_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
