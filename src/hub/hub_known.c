/* The curated list: models of families that raga runs, of sizes that common machines hold. */
#include "hub/hub_name.h"

// clang-format off
static const rg_hub_known known[] = {
    {"qwen3-0.6b",         "hf:Qwen/Qwen3-0.6B",                                 "small, thinks; safetensors, 1.5 GB"},
    {"qwen3-0.6b-q8",      "hf:Qwen/Qwen3-0.6B-GGUF:Q8_0",                       "the same in 8 bits, 0.6 GB"},
    {"qwen3-4b",           "hf:Qwen/Qwen3-4B-GGUF:Q4_K_M",                       "for laptops, 2.5 GB"},
    {"qwen3-8b",           "hf:Qwen/Qwen3-8B-GGUF:Q4_K_M",                       "5 GB"},
    {"qwen3-30b-a3b",      "hf:Qwen/Qwen3-30B-A3B-GGUF:Q4_K_M",                  "experts, fast for its 18.6 GB"},
    {"qwen3-vl-2b",        "hf:Qwen/Qwen3-VL-2B-Instruct",                       "sees pictures, 4.3 GB"},
    {"qwen2.5-0.5b",       "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M",          "small, does not think, 0.5 GB"},
    {"llama3.2-3b",        "hf:bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M",     "2 GB"},
    {"moonlight-16b",      "hf:moonshotai/Moonlight-16B-A3B-Instruct",           "experts; safetensors, 32 GB"},
    {"deepseek-v2-lite",   "hf:deepseek-ai/DeepSeek-V2-Lite-Chat",               "experts; safetensors, 31 GB"},
};
// clang-format on

const rg_hub_known *rg_hub_known_at(size_t i) {
    return i < sizeof known / sizeof *known ? &known[i] : NULL;
}
