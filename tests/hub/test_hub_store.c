/* The store and parts without a network: what is written is found again, whatever fails in between.
 */
#include "hub/hub_part.h"
#include "hub/hub_store.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[64];

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

static int set_up(void **state) {
    (void)state;
    snprintf(root, sizeof root, "/tmp/raga-store-XXXXXX");
    assert_non_null(mkdtemp(root));
    return setenv("RAGA_STORE", root, 1);
}

static int tear_down(void **state) {
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_part(rg_part *part, size_t piece, int byte) {
    static uint8_t data[RG_PART_PIECE_BYTES];
    const uint64_t n = rg_part_end(part, piece) - rg_part_begin(piece);
    memset(data, byte, sizeof data);
    assert_int_equal(rg_part_write(part, rg_part_begin(piece), data, n, NULL), RG_OK);
    rg_part_mark(part, piece);
}

static void a_part_is_gone_on_with(void **state) {
    (void)state;
    char path[128];
    rg_part part, other;
    const uint64_t size = 3 * (uint64_t)RG_PART_PIECE_BYTES + 5;
    snprintf(path, sizeof path, "%s/p", root);
    assert_int_equal(rg_part_open(&part, rg_mem_heap(), path, size, "one", NULL), RG_OK);
    assert_int_equal(part.n_pieces, 4);
    assert_int_equal(rg_part_open(&other, rg_mem_heap(), path, size, "one", NULL), RG_E_STATE);
    write_part(&part, 3, 'd');
    write_part(&part, 1, 'b');
    assert_int_equal(rg_part_sync(&part, NULL), RG_OK);
    write_part(&part, 0, 'a');
    rg_part_close(&part);
    assert_int_equal(rg_part_kept_bytes(rg_mem_heap(), path, size, "one"),
                     2 * (uint64_t)RG_PART_PIECE_BYTES + 5);
    assert_int_equal(rg_part_kept_bytes(rg_mem_heap(), path, size, "two"), 0);
    assert_int_equal(rg_part_open(&part, rg_mem_heap(), path, size, "one", NULL), RG_OK);
    assert_int_equal(part.n_kept, 3);
    assert_int_equal(part.pieces[2], RG_PART_FREE);
    rg_part_close(&part);
    // of another file, or of another size, nothing is kept
    assert_int_equal(rg_part_open(&part, rg_mem_heap(), path, size, "two", NULL), RG_OK);
    assert_int_equal(part.n_kept, 0);
    rg_part_close(&part);
    assert_int_equal(rg_part_open(&part, rg_mem_heap(), path, size + 1, "two", NULL), RG_OK);
    assert_int_equal(part.n_kept, 0);
    rg_part_close(&part);
    assert_int_equal(rg_part_open(&part, rg_mem_heap(), path, RG_PART_SIZE_MAX + 1, "x", NULL),
                     RG_E_LIMIT);
    rg_part_remove(path);
    assert_int_not_equal(access(path, F_OK), 0);
}

// a listing of one file "x.gguf" of one piece, whose content is n times a byte
static void make_model(rg_store *store, const char *text, int byte, rg_status *ended,
                       rg_hub_name *name) {
    rg_hub_listing l;
    rg_hub_file *f = NULL;
    rg_part part;
    char path[RG_STORE_PATH_MAX], identity[RG_STORE_PATH_MAX], sha256[65];
    assert_int_equal(rg_hub_name_parse(text, name, NULL), RG_OK);
    rg_hub_listing_init(&l, store->mem);
    memset(sha256, byte, 64);
    sha256[64] = '\0';
    rg_status status = rg_hub_listing_add(&l, RG_STR("x.gguf"), &f, NULL);
    if (status == RG_OK) {
        memcpy(f->sha256, sha256, sizeof sha256);
        f->size = 10;
        f->is_chosen = true;
        status = rg_store_begin(store, name, &l, NULL);
    }
    if (status == RG_OK && !rg_store_has(store, f)) {
        status = rg_store_part(store, f, path, identity, NULL);
        if (status == RG_OK) {
            status = rg_part_open(&part, store->mem, path, 10, identity, NULL);
        }
        if (status == RG_OK) {
            write_part(&part, 0, byte);
            rg_part_close(&part);
            status = rg_store_take(store, name, &l, f, sha256, NULL);
        }
    }
    if (status == RG_OK) {
        status = rg_store_end(store, name, &l, path, NULL);
    }
    rg_store_close(store);
    rg_hub_listing_clear(&l);
    *ended = status;
}

static bool count(void *arg, const rg_store_model *m) {
    size_t *n = arg;
    n[m->is_pull ? 1 : 0]++;
    return true;
}

static void models_come_and_go(void **state) {
    (void)state;
    rg_store s;
    rg_hub_name a, b;
    rg_status ended = RG_OK;
    rg_store_model m;
    rg_store_usage usage;
    size_t n[2] = {0};
    uint64_t freed = 0;
    assert_int_equal(rg_store_open(&s, rg_mem_heap(), NULL), RG_OK);
    make_model(&s, "hf:a/b", 'a', &ended, &a);
    assert_int_equal(ended, RG_OK);
    make_model(&s, "hf:a/c", 'a', &ended, &b);
    assert_int_equal(ended, RG_OK);
    assert_int_equal(rg_store_walk(&s, count, n, NULL, NULL), RG_OK);
    assert_true(n[0] == 2 && n[1] == 0);
    assert_int_equal(rg_store_find(&s, &a, &m, NULL), RG_OK);
    assert_true(m.is_complete && access(m.path, R_OK) == 0);
    rg_store_model_clear(&m);
    assert_int_equal(rg_store_measure(&s, &usage, NULL), RG_OK);
    assert_true(usage.blob_bytes == 10 && usage.named_bytes == 20 && usage.unused_bytes == 0);
    assert_int_equal(rg_store_remove(&s, &a, &freed, NULL), RG_OK);
    assert_int_equal(freed, 0);
    assert_int_equal(rg_store_find(&s, &a, &m, NULL), RG_E_NOT_FOUND);
    assert_int_equal(rg_store_find(&s, &b, &m, NULL), RG_OK);
    rg_store_model_clear(&m);
    assert_int_equal(rg_store_remove(&s, &b, &freed, NULL), RG_OK);
    assert_true(freed > 0);
    assert_int_equal(rg_store_remove(&s, &b, &freed, NULL), RG_E_NOT_FOUND);
}

// each allocation fails in turn: no leak, and the store stays whole
static void short_memory_leaves_the_store_whole(void **state) {
    (void)state;
    rg_status ended = RG_E_MEMORY;
    for (size_t at = 1; ended != RG_OK; at++) {
        torture t;
        rg_store s;
        rg_hub_name name;
        size_t n[2] = {0}, n_bad = 0;
        uint64_t freed = 0;
        torture_init(&t, at);
        assert_int_equal(rg_store_open(&s, &t.mem, NULL), RG_OK);
        make_model(&s, "hf:a/b", 'a', &ended, &name);
        assert_int_equal(t.n_live, 0);
        assert_true(ended == RG_OK || ended == RG_E_MEMORY);
        assert_int_equal(rg_store_open(&s, rg_mem_heap(), NULL), RG_OK);
        assert_int_equal(rg_store_walk(&s, count, n, &n_bad, NULL), RG_OK);
        assert_true(n_bad == 0 && n[0] == (ended == RG_OK ? 1 : 0));
        if (n[0] + n[1] > 0) {
            assert_int_equal(rg_store_remove(&s, &name, &freed, NULL), RG_OK);
        }
        assert_true(at < 1000);
    }
    for (size_t at = 1, failed = 1; failed; at++) {
        torture t;
        rg_store s;
        rg_hub_name name;
        rg_store_model m;
        rg_store_usage usage;
        uint64_t freed = 0;
        assert_int_equal(rg_store_open(&s, rg_mem_heap(), NULL), RG_OK);
        make_model(&s, "hf:a/b", 'a', &ended, &name);
        assert_int_equal(ended, RG_OK);
        torture_init(&t, at);
        s.mem = &t.mem;
        failed = 0;
        if (rg_store_find(&s, &name, &m, NULL) == RG_OK) {
            rg_store_model_clear(&m);
        }
        failed |= rg_store_measure(&s, &usage, NULL) != RG_OK;
        failed |= rg_store_sweep(&s, &freed, NULL) != RG_OK;
        failed |= t.n_made >= at;
        assert_int_equal(t.n_live, 0);
        // nothing that a record needs went away
        s.mem = rg_mem_heap();
        assert_int_equal(rg_store_find(&s, &name, &m, NULL), RG_OK);
        rg_store_model_clear(&m);
        assert_true(at < 1000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_part_is_gone_on_with, set_up, tear_down),
        cmocka_unit_test_setup_teardown(models_come_and_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(short_memory_leaves_the_store_whole, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
