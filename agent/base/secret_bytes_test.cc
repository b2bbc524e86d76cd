#include "agent/base/secret_bytes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <new>
#include <ostream>
#include <type_traits>

#include "agent/base/log.h"

namespace {

constexpr std::string_view kCanary = "canary-4f1d9c77";

// Counts array deallocations on this thread while `on` is set.
struct Watch {
  bool on = false;
  int blocks = 0;
  int blocks_with_canary = 0;
};
thread_local Watch watch;

void Inspect(void* block) {
  if (!watch.on || block == nullptr) return;
  const std::string_view bytes(static_cast<const char*>(block), malloc_usable_size(block));
  ++watch.blocks;
  if (bytes.find(kCanary.substr(0, 6)) != std::string_view::npos) ++watch.blocks_with_canary;
}

}  // namespace

// Every buffer of a SecretBytes is allocated and freed here; each block is inspected just before it
// is freed.
void* operator new[](std::size_t size) {
  void* const block = std::malloc(size == 0 ? 1 : size);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
void operator delete[](void* block) noexcept {
  Inspect(block);
  std::free(block);
}
void operator delete[](void* block, std::size_t) noexcept {
  Inspect(block);
  std::free(block);
}

namespace nodekeep {
namespace {

template <typename T>
concept HasBegin = requires(T value) {
  std::begin(value);
};
template <typename T>
concept Streams = requires(std::ostream& out, const T& value) {
  out << value;
};
template <typename T>
concept Compares = requires(const T& a, const T& b) {
  a == b;
};

static_assert(!std::is_copy_constructible_v<SecretBytes>);
static_assert(!std::is_copy_assignable_v<SecretBytes>);
static_assert(std::is_nothrow_move_constructible_v<SecretBytes>);
static_assert(std::is_nothrow_move_assignable_v<SecretBytes>);
static_assert(!std::is_convertible_v<SecretBytes, std::string_view>);
static_assert(!std::is_convertible_v<SecretBytes, std::string>);
static_assert(!std::is_constructible_v<std::string, SecretBytes>);
static_assert(!std::is_constructible_v<std::string_view, SecretBytes>);
static_assert(!std::is_convertible_v<std::string_view, SecretBytes>);
static_assert(!std::is_convertible_v<const char*, SecretBytes>);
static_assert(!fmt::is_formattable<SecretBytes>::value);
static_assert(!HasBegin<SecretBytes>);
static_assert(!Streams<SecretBytes>);
static_assert(!Compares<SecretBytes>);
static_assert(!std::is_constructible_v<Logger::Field, std::string_view, SecretBytes>);
static_assert(!std::is_constructible_v<Logger::Field, std::string_view, const SecretBytes&>);
static_assert(!std::is_constructible_v<Logger::Value, SecretBytes>);

// Runs `use` and returns how many of the blocks it freed still contained the canary.
template <typename Use>
int CanariesLeftBy(const Use& use) {
  watch = Watch{.on = true};
  use();
  watch.on = false;
  REQUIRE(watch.blocks > 0);  // else nothing was inspected
  return watch.blocks_with_canary;
}

TEST_CASE("secret bytes: the check of these tests detects a buffer that is not wiped") {
  CHECK(CanariesLeftBy([] {
          char* block = new char[64];
          std::copy(kCanary.begin(), kCanary.end(), block);
          // Volatile, so that the copy into a block about to be freed is not optimized away.
          static_cast<volatile char*>(block)[0] = kCanary[0];
          delete[] block;
        }) == 1);
}

TEST_CASE("secret bytes: every buffer is wiped before it is freed") {
  CHECK(CanariesLeftBy([] { SecretBytes bytes(kCanary); }) == 0);
  CHECK(CanariesLeftBy([] {
          SecretBytes bytes(kCanary);
          for (int i = 0; i < 200; ++i) bytes.Append(kCanary);
        }) == 0);
  CHECK(CanariesLeftBy([] {
          SecretBytes bytes(kCanary);
          bytes.Reserve(4096);
          bytes.Truncate(3);
        }) == 0);
  CHECK(CanariesLeftBy([] {
          SecretBytes bytes(kCanary);
          bytes = SecretBytes("other");
        }) == 0);
  CHECK(CanariesLeftBy([] {
          SecretBytes bytes(kCanary);
          SecretBytes moved = std::move(bytes);
          SecretBytes copy = moved.Clone();
          moved.Wipe();
        }) == 0);
}

TEST_CASE("secret bytes: content is stored unchanged, including NUL bytes") {
  const std::string text("a\0b", 3);
  SecretBytes bytes(text);
  CHECK(bytes.Reveal() == text);
  bytes.Append("cd");
  bytes.Append("");
  CHECK(bytes.Reveal() == text + "cd");
  CHECK(bytes.size() == 5);

  SecretBytes clone = bytes.Clone();
  bytes.Truncate(1);
  CHECK(bytes.Reveal() == "a");
  bytes.Truncate(5);  // only ever shortens
  CHECK(bytes.size() == 1);
  CHECK(clone.Reveal() == text + "cd");

  bytes.Wipe();
  CHECK(bytes.empty());
  CHECK(bytes.Reveal().empty());
  bytes.Append("again");
  CHECK(bytes.Reveal() == "again");

  SecretBytes moved = std::move(clone);
  CHECK(moved.Reveal() == text + "cd");
  SecretBytes& alias = moved;
  moved = std::move(alias);
  CHECK(moved.Reveal() == text + "cd");
}

TEST_CASE("secret bytes: Append accepts a part of the same buffer") {
  SecretBytes bytes("abc");
  for (int i = 0; i < 5; ++i) bytes.Append(bytes.Reveal());
  CHECK(bytes.size() == 3 * 32);
  CHECK(bytes.Reveal().substr(93) == "abc");
}

TEST_CASE("secret bytes: OfSize returns zero bytes to be filled") {
  SecretBytes bytes = SecretBytes::OfSize(4);
  CHECK(bytes.Reveal() == std::string(4, '\0'));
  bytes.MutableData()[1] = 'x';
  CHECK(bytes.Reveal() == std::string("\0x\0\0", 4));
  CHECK(SecretBytes::OfSize(0).empty());
}

TEST_CASE("secret bytes: truncated bytes are wiped at once") {
  SecretBytes bytes(kCanary);
  const char* const tail = bytes.Reveal().data() + 3;
  bytes.Truncate(3);
  CHECK(std::string_view(tail, kCanary.size() - 3) == std::string(kCanary.size() - 3, '\0'));
}

TEST_CASE("secret bytes: MoveFrom wipes the source string in place") {
  for (std::size_t size : {std::size_t{6}, std::size_t{15}, std::size_t{300}}) {
    INFO(size);
    std::string text(size, 'c');
    const char* const where = text.data();
    const SecretBytes bytes = SecretBytes::MoveFrom(std::move(text));
    CHECK(bytes.Reveal() == std::string(size, 'c'));
    CHECK(text.empty());
    CHECK(text.data() == where);
    CHECK(std::string_view(where, size) == std::string(size, '\0'));
  }
}

TEST_CASE("secret bytes: WipeString also wipes the old tail of a shortened string") {
  std::string text(200, 'c');
  text.resize(2);
  const char* const where = text.data();
  WipeString(text);
  CHECK(std::string_view(where, 200) == std::string(200, '\0'));
  std::string empty;
  WipeString(empty);
  CHECK(empty.empty());
}

TEST_CASE("secret bytes: ConstantTimeEqual compares contents") {
  CHECK(ConstantTimeEqual(SecretBytes("abc"), SecretBytes("abc")));
  CHECK(ConstantTimeEqual(SecretBytes(), SecretBytes("")));
  CHECK_FALSE(ConstantTimeEqual(SecretBytes("abc"), SecretBytes("abd")));
  CHECK_FALSE(ConstantTimeEqual(SecretBytes("abc"), SecretBytes("ab")));
  CHECK_FALSE(ConstantTimeEqual(SecretBytes(""), SecretBytes("a")));
}

}  // namespace
}  // namespace nodekeep
