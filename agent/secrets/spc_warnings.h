#pragma once

// What a class says that has no effect, or can only be a mistake, although the class works.
//
// Upstream accepts all of it, so it never keeps a class from being mounted.

#include <cstddef>
#include <string>
#include <vector>

namespace nodekeep {

class SpcWarnings {
 public:
  static constexpr std::size_t kMost = 20;  // texts that are kept

  // `text()` is called only if it is kept: a class may have thousands of mistakes.
  template <typename Text>
  void Add(const Text& text) {
    if (texts_.size() < kMost) {
      texts_.push_back(text());
    } else {
      ++more_;
    }
  }

  bool empty() const { return texts_.empty(); }
  // As errors of Parse, each names the parameter, or the position and the object in the list. Never
  // a credential.
  const std::vector<std::string>& texts() const { return texts_; }
  // Those that were not kept.
  std::size_t more() const { return more_; }
  // All in one line; "" if there are none.
  std::string Text() const;

 private:
  std::vector<std::string> texts_;
  std::size_t more_ = 0;
};

}  // namespace nodekeep
