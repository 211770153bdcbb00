/* Any bytes as a tokenizer.json (or, after a first byte of 1 or 2, as a ranks or SentencePiece
 * file); an accepted one encodes and decodes. */
#include "token/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const rg_tokenizer *tok, rg_str text) {
    rg_ids ids;
    rg_buf out;
    rg_error err;
    rg_ids_init(&ids, rg_mem_heap());
    rg_buf_init(&out, rg_mem_heap(), 0);
    if (rg_tokenizer_encode(tok, text, RG_ENCODE_PARSE_SPECIAL | RG_ENCODE_ADD_SPECIAL, &ids,
                            &err) == RG_OK) {
        rg_detokenizer stream = {0};
        rg_tokenizer_decode(tok, rg_ids_data(&ids), rg_ids_count(&ids), true, &out);
        for (size_t i = 0; i < rg_ids_count(&ids); i++) {
            rg_detokenizer_put(&stream, tok, rg_ids_data(&ids)[i], &out);
        }
        rg_detokenizer_flush(&stream, &out);
    }
    rg_ids_clear(&ids);
    rg_buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rg_tokenizer *tok = NULL;
    rg_error err;
    const rg_str text = {(const char *)data, size};
    const rg_str rest = rg_str_slice(text, 1, size);
    rg_status status;
    if (size > 0 && data[0] == 1) {
        status = rg_tokenizer_of_ranks(rg_mem_heap(), rest, (rg_str){0}, &tok, &err);
    } else if (size > 0 && data[0] == 2) {
        status = rg_tokenizer_of_pieces(rg_mem_heap(), (rg_bytes){data + 1, size - 1}, &tok, &err);
    } else {
        status = rg_tokenizer_of_json(rg_mem_heap(), text, (rg_str){0}, &tok, &err);
    }
    if (status != RG_OK) {
        return 0;
    }
    use(tok, RG_STR("Hello, w\xC3\xB6rld's  123\n\n\xF0\x9F\x98\x80 <|x|>"));
    use(tok, rg_str_slice(text, 0, 512));
    rg_tokenizer_free(tok);
    return 0;
}
