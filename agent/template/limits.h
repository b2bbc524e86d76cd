#pragma once

// Limits of one execution of a template. Templates and values come from outside: without limits a
// line such as {{ repeat 1000000000 "x" }} would take the node.

#include <cstddef>
#include <cstdint>

namespace nodekeep {

struct TemplateLimits {
  std::size_t template_bytes = 1u << 20;
  std::size_t output_bytes = 4u << 20;
  // Nodes executed, and items that functions look at.
  std::uint64_t steps = 1'000'000;
  // Bytes of all values made during the execution together, whether still in use or not.
  std::size_t memory = 64u << 20;
  // Nesting of templates, of parentheses, and of lists and maps in each other.
  int depth = 1'000;
  std::size_t regexp_bytes = 8u << 10;
  // Of derivations that are slow on purpose or by nature (bcrypt, scrypt, RSA keys).
  int slow_calls = 20;
};

}  // namespace nodekeep
