/* A trained vocabulary as the files of a Hugging Face directory. */
#include "train/bpe_internal.h"

#include "base/file.h"
#include "base/utf8.h"
#include "train/export.h"

static void put_printable(rg_buf *out, rg_str bytes) {
    for (size_t i = 0; i < bytes.size; i++) {
        char text[4];
        const uint32_t cp = rg_printable_of_byte((uint8_t)bytes.data[i]);
        rg_buf_put(out, text, rg_utf8_encode(cp, text));
    }
}

// a token in its printable spelling, as a JSON string
static void put_token(rg_buf *out, rg_buf *scratch, rg_str bytes) {
    scratch->size = 0;
    put_printable(scratch, bytes);
    rg_buf_json(out, rg_buf_view(scratch));
}

static void put_special(rg_buf *out, const rg_bpe_special *special) {
    rg_buf_str(out, RG_STR("{\"content\":"));
    rg_buf_json(out, special->text);
    rg_buf_format(out,
                  ",\"lstrip\":false,\"normalized\":false,\"rstrip\":false,"
                  "\"single_word\":false,\"special\":%s}",
                  special->is_control ? "true" : "false");
}

static void put_steps(rg_buf *out, const rg_bpe_trainer *t) {
    static const char byte_level[] = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                                     "\"trim_offsets\":false,\"use_regex\":false}";
    rg_buf_str(out, RG_STR(",\n\"normalizer\":"));
    rg_buf_str(out, rg_pretok_is_nfc(t->pretok) ? RG_STR("{\"type\":\"NFC\"}") : RG_STR("null"));
    rg_buf_str(out, RG_STR(",\n\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":"
                           "[{\"type\":\"Split\",\"pattern\":{\"Regex\":"));
    rg_buf_json(out, rg_str_of(rg_pretok_pattern(t->pretok)));
    rg_buf_format(out,
                  "},\"behavior\":\"Isolated\",\"invert\":false},%s]},\n"
                  "\"post_processor\":%s,\n\"decoder\":%s,\n",
                  byte_level, byte_level, byte_level);
}

static void put_model(rg_buf *out, rg_buf *scratch, const rg_bpe_trainer *t) {
    size_t n_merges = 0;
    const rg_bpe_merge *merges = rg_bpe_trainer_merges(t, &n_merges);
    rg_buf_str(out, RG_STR("\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                           "\"continuing_subword_prefix\":\"\",\"end_of_word_suffix\":\"\","
                           "\"fuse_unk\":false,\"byte_fallback\":false,\n\"vocab\":{"));
    for (size_t id = 0; id < rg_bpe_tokens(t); id++) {
        rg_buf_str(out, id == 0 ? RG_STR("\n") : RG_STR(",\n"));
        put_token(out, scratch, rg_bpe_token(t, (int32_t)id));
        rg_buf_format(out, ":%zu", id);
    }
    rg_buf_str(out, RG_STR("},\n\"merges\":["));
    for (size_t i = 0; i < n_merges; i++) {
        // a printable spelling holds no space: "left right" is unambiguous
        scratch->size = 0;
        put_printable(scratch, rg_bpe_token(t, merges[i].left));
        rg_buf_char(scratch, ' ');
        put_printable(scratch, rg_bpe_token(t, merges[i].right));
        rg_buf_str(out, i == 0 ? RG_STR("\n") : RG_STR(",\n"));
        rg_buf_json(out, rg_buf_view(scratch));
    }
    rg_buf_str(out, RG_STR("]}}\n"));
}

static void put_tokenizer(rg_buf *out, rg_buf *scratch, const rg_bpe_trainer *t) {
    rg_buf_str(out, RG_STR("{\"version\":\"1.0\",\n\"truncation\":null,\n\"padding\":null,\n"
                           "\"added_tokens\":["));
    for (size_t i = 0; i < t->n_specials; i++) {
        rg_buf_format(out, "%s{\"id\":%zu,", i == 0 ? "\n" : ",\n", rg_bpe_tokens(t) + i);
        scratch->size = 0;
        put_special(scratch, &t->specials[i]);
        rg_buf_str(out, rg_str_slice(rg_buf_view(scratch), 1, scratch->size));
    }
    rg_buf_char(out, ']');
    put_steps(out, t);
    put_model(out, scratch, t);
}

static void put_role(rg_buf *out, const char *name, rg_str text) {
    rg_buf_format(out, ",\n\"%s\":", name);
    if (text.size == 0) {
        rg_buf_str(out, RG_STR("null"));
    } else {
        rg_buf_json(out, text);
    }
}

static void put_config(rg_buf *out, const rg_bpe_trainer *t, const rg_bpe_files *files) {
    rg_buf_str(out, RG_STR("{\"add_prefix_space\":false,\n\"added_tokens_decoder\":{"));
    for (size_t i = 0; i < t->n_specials; i++) {
        rg_buf_format(out, "%s\"%zu\":", i == 0 ? "\n" : ",\n", rg_bpe_tokens(t) + i);
        put_special(out, &t->specials[i]);
    }
    rg_buf_char(out, '}');
    put_role(out, "bos_token", files->bos);
    put_role(out, "eos_token", files->eos);
    put_role(out, "pad_token", files->pad);
    put_role(out, "unk_token", (rg_str){0});
    if (files->chat_template.size != 0) {
        put_role(out, "chat_template", files->chat_template);
    }
    if (files->model_max_length != 0) {
        rg_buf_format(out, ",\n\"model_max_length\":%zu", files->model_max_length);
    }
    rg_buf_str(out, RG_STR(",\n\"clean_up_tokenization_spaces\":false,\n"
                           "\"tokenizer_class\":\"PreTrainedTokenizerFast\"}\n"));
}

static rg_status check_role(const rg_bpe_trainer *t, const char *name, rg_str text, rg_error *err) {
    for (size_t i = 0; i < t->n_specials; i++) {
        if (rg_str_eq(t->specials[i].text, text)) {
            return RG_OK;
        }
    }
    return text.size == 0 ? RG_OK
                          : rg_fail(err, RG_E_ARG, "the %s token \"%.*s\" is no special token",
                                    name, RG_FMT(text));
}

static rg_status write_file(const char *dir, const char *name, const rg_buf *text, rg_error *err) {
    char path[4096];
    rg_status status = rg_buf_check(text, name, err);
    if (status == RG_OK) {
        status = rg_path_join(path, sizeof path, dir, rg_str_of(name), err);
    }
    return status == RG_OK ? rg_file_write(path, text->data, text->size, err) : status;
}

rg_status rg_bpe_trainer_save(const rg_bpe_trainer *t, const char *dir, const rg_bpe_files *files,
                              rg_error *err) {
    rg_status status = RG_OK;
    rg_buf out;
    rg_buf scratch;
    rg_buf_init(&out, t->mem, RG_TOKENIZER_FILE_MAX);
    rg_buf_init(&scratch, t->mem, 0);
    RG_TRY(check_role(t, "bos", files->bos, err));
    RG_TRY(check_role(t, "eos", files->eos, err));
    RG_TRY(check_role(t, "pad", files->pad, err));
    if (!rg_utf8_is_valid(files->chat_template)) {
        status = rg_fail(err, RG_E_ARG, "the chat template is not UTF-8");
        goto done;
    }
    RG_TRY(rg_make_dir(dir, err));
    put_tokenizer(&out, &scratch, t);
    RG_TRY(rg_buf_check(&scratch, "a token", err));
    RG_TRY(write_file(dir, "tokenizer.json", &out, err));
    out.size = 0;
    put_config(&out, t, files);
    status = write_file(dir, "tokenizer_config.json", &out, err);

done:
    rg_buf_clear(&out);
    rg_buf_clear(&scratch);
    return status;
}
