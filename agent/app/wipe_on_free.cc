// Clears every heap block of this process before it is returned to the allocator, so that no
// library (gRPC, Protobuf, curl, OpenSSL, the parsers) leaves a secret behind in free memory.
//
// glibc also exports its allocator under __libc_ names, which the functions below call. Linked into
// the binary only; sanitizers have an allocator of their own.

#ifndef NODEKEEP_SANITIZED

#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <string.h>

extern "C" {

void __libc_free(void* block);
void* __libc_malloc(size_t size);

__attribute__((visibility("default"))) void free(void* block) {
  if (block == nullptr) return;
  const int saved_errno = errno;
  explicit_bzero(block, malloc_usable_size(block));
  __libc_free(block);
  errno = saved_errno;
}

// glibc's realloc may move a block and free the old one without passing through free above.
__attribute__((visibility("default"))) void* realloc(void* block, size_t size) {
  if (block == nullptr) return __libc_malloc(size);
  if (size == 0) {
    free(block);
    return nullptr;
  }
  const size_t usable = malloc_usable_size(block);
  if (size <= usable && size >= usable / 2) {
    // The block stays in place; the part that it no longer needs is cleared.
    explicit_bzero(static_cast<char*>(block) + size, usable - size);
    return block;
  }
  void* moved = __libc_malloc(size);
  if (moved == nullptr) return nullptr;
  memcpy(moved, block, size < usable ? size : usable);
  free(block);
  return moved;
}

__attribute__((visibility("default"))) void* reallocarray(void* block, size_t count, size_t size) {
  size_t total = 0;
  if (__builtin_mul_overflow(count, size, &total)) {
    errno = ENOMEM;
    return nullptr;
  }
  return realloc(block, total);
}

}  // extern "C"

#endif  // NODEKEEP_SANITIZED
