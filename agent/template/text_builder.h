#pragma once

// Text that may become much larger than what it is made from: charged before it is appended.

#include <string_view>
#include <utility>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/template/call.h"
#include "agent/template/value.h"

namespace nodekeep::go {

class TextBuilder {
 public:
  explicit TextBuilder(Call& call) : call_(call) {}

  // Ignored after the limit has been reached.
  void Append(std::string_view text) {
    if (!status_.ok()) return;
    status_ = call_.Charge(text.size());
    if (status_.ok()) text_.Append(text);
  }

  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  // Errors: kTooLarge.
  Result<Value> Finish() {
    if (!status_.ok()) return status_.error();
    return Value::Text(std::move(text_));
  }

 private:
  Call& call_;
  SecretBytes text_;
  Status status_;
};

}  // namespace nodekeep::go
