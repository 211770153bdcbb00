/* Included by every .c file through the build (-include): these names are errors outside
 * base/mem_*.c (memory goes through rg_mem) or everywhere (no bound on what they write or read). */
#pragma once

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef RG_MAY_ALLOCATE
#pragma GCC poison malloc calloc realloc aligned_alloc posix_memalign strdup strndup
#endif
#undef alloca
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atof alloca gets
