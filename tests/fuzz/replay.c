/* Runs every file of a corpus folder through a fuzz target: what the fuzzer once found stays found.
 */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *folder, const char *name) {
    static uint8_t buffer[1 << 22];
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return 0;
    }
    const size_t n = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    // exactly the bytes, so that a sanitizer sees a read past them
    uint8_t *copy = malloc(n == 0 ? 1 : n);
    if (copy == NULL) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        copy[i] = buffer[i];
    }
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    return 1;
}

int main(int argc, char **argv) {
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    int n = 0;
    if (folder == NULL) {
        printf("usage: replay FOLDER (a corpus)\n");
        return 1;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] != '.') {
            n += run_file(argv[1], entry->d_name);
        }
    }
    closedir(folder);
    printf("%d inputs\n", n);
    return n > 0 ? 0 : 1;
}
