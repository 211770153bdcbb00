/* The built-in model: a GGUF file within the program, read where the linker put it. */
#include "api/api_internal.h"

#include "raga/model.h"

#ifdef RAGA_BUILTIN_FILE

// The assembler takes the bytes in: no second copy in C, nothing to generate. The section is
// read-only data, so its pages come from the program's file when they are first used, and are
// shared like those of a mapped file.
__asm__(".pushsection .rodata.raga_builtin,\"a\",%progbits\n"
        ".balign 4096\n"
        ".hidden rg_builtin_begin\n"
        ".globl rg_builtin_begin\n"
        "rg_builtin_begin:\n"
        ".incbin \"" RAGA_BUILTIN_FILE "\"\n"
        ".hidden rg_builtin_end\n"
        ".globl rg_builtin_end\n"
        "rg_builtin_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const uint8_t rg_builtin_begin[] __attribute__((visibility("hidden")));
extern const uint8_t rg_builtin_end[] __attribute__((visibility("hidden")));

static rg_bytes builtin_file(void) {
    // as numbers: the two are objects of their own to the compiler
    return (rg_bytes){rg_builtin_begin, (uintptr_t)rg_builtin_end - (uintptr_t)rg_builtin_begin};
}

#else

static rg_bytes builtin_file(void) {
    return (rg_bytes){NULL, 0};
}

#endif

bool raga_has_builtin(void) {
    return builtin_file().size != 0;
}

bool api_is_builtin(const char *path) {
    return strcmp(path, RAGA_BUILTIN) == 0;
}

rg_status api_builtin_bytes(rg_bytes *out, rg_error *err) {
    *out = builtin_file();
    return out->size != 0 ? RG_OK
                          : rg_fail(err, RG_E_NOT_FOUND,
                                    "this build has no built-in model: name a GGUF file or a "
                                    "Hugging Face directory");
}

rg_status api_source_open(const char *path, rg_source **out, rg_error *err) {
    rg_bytes file = {0};
    rg_status status = RG_OK;
    if (!api_is_builtin(path)) {
        return rg_source_open(rg_mem_heap(), path, out, err);
    }
    RG_TRY(api_builtin_bytes(&file, err));
    RG_TRY(rg_source_of_gguf(rg_mem_heap(), RAGA_BUILTIN, file, out, err));

done:
    return status;
}
