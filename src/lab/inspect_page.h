/* The parts of the page of an inspection, made from page/inspect.* by the build. */
#pragma once

#include <stddef.h>

extern const unsigned char rg_inspect_css[], rg_inspect_body[], rg_inspect_js[];
extern const size_t rg_inspect_css_size, rg_inspect_body_size, rg_inspect_js_size;
