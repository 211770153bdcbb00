/* Any bytes as a name, as what a hub answers, or as a record of the store: what is taken has only
 * safe paths, and a record that is written is read again the same. The first byte says as what. */
#include "hub/hub_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const rg_hub_listing *l) {
    for (size_t i = 0; i < l->n; i++) {
        if (!rg_hub_path_is_safe(l->files[i].path)) {
            __builtin_trap();
        }
    }
}

static void as_name(rg_str text) {
    rg_hub_name name, again;
    rg_buf buf;
    rg_error err = {0};
    rg_buf_init(&buf, rg_mem_heap(), 0);
    rg_buf_str(&buf, text);
    (void)rg_hub_name_is(rg_buf_cstr(&buf));
    if (rg_hub_name_parse(rg_buf_cstr(&buf), &name, &err) == RG_OK &&
        (rg_hub_name_parse(name.text, &again, &err) != RG_OK ||
         strcmp(name.text, again.text) != 0)) {
        __builtin_trap();
    }
    rg_buf_clear(&buf);
}

static void as_answer(char hub, rg_str text) {
    rg_hub_listing l;
    rg_hub_name name;
    rg_error err = {0};
    bool is_folder = false;
    rg_hub_listing_init(&l, rg_mem_heap());
    if (rg_hub_name_parse(hub == 'o'   ? "ollama:x"
                          : hub == 'q' ? "hf:a/b:Q4_0"
                                       : "hf:a/b",
                          &name, &err) != RG_OK) {
        __builtin_trap();
    }
    const rg_status status = hub == 'o'   ? rg_hub_listing_of_ollama(&l, &name, text, &err)
                             : hub == 'm' ? rg_hub_listing_of_ms(&l, text, &err)
                             : hub == 'f' ? rg_hub_listing_facts_of_hf(&l, text, &err)
                             : hub == 'g' ? rg_hub_listing_facts_of_ms(&l, text, &err)
                                          : rg_hub_listing_of_hf(&l, text, &err);
    if (status == RG_OK && rg_hub_choose(&l, &name, &err) == RG_OK) {
        (void)rg_hub_main_file(&l, &is_folder);
        (void)!rg_hub_choose_shards(&l, text, &err);
    }
    check(&l);
    rg_hub_listing_clear(&l);
}

static void as_record(rg_str text) {
    rg_store_model one = {0}, two = {0};
    rg_buf first, second;
    rg_error err = {0};
    rg_buf_init(&first, rg_mem_heap(), 0);
    rg_buf_init(&second, rg_mem_heap(), 0);
    if (rg_record_parse(rg_mem_heap(), text, &one, &err) == RG_OK) {
        check(&one.listing);
        rg_record_write(&first, one.name, one.pulled_s, &one.listing);
        if (rg_record_parse(rg_mem_heap(), rg_buf_view(&first), &two, &err) != RG_OK) {
            __builtin_trap();
        }
        rg_record_write(&second, two.name, two.pulled_s, &two.listing);
        if (!rg_str_eq(rg_buf_view(&first), rg_buf_view(&second))) {
            __builtin_trap();
        }
    }
    rg_store_model_clear(&one);
    rg_store_model_clear(&two);
    rg_buf_clear(&first);
    rg_buf_clear(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const rg_str text = {(const char *)data + 1, size - 1};
    if (data[0] == 'n') {
        as_name(text);
    } else if (data[0] == 'r') {
        as_record(text);
    } else {
        as_answer((char)data[0], text);
    }
    return 0;
}
