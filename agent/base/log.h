#pragma once

// Structured logs: one line per event, JSON or text, to standard error.
//
// A field value is a string, a number or a boolean; SecretBytes does not convert to any of them, so
// logging a secret does not compile. A string over 2 KiB is cut between characters, and its length
// is appended: "... (3600000 bytes)". Thread-safe.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "agent/base/context.h"
#include "agent/base/result.h"

namespace spdlog {
class logger;
}

namespace nodekeep {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };
enum class LogFormat { kText, kJson };

// "debug", "info", "warn", "error", "off".
Result<LogLevel> ParseLogLevel(std::string_view text);
Result<LogFormat> ParseLogFormat(std::string_view text);

class Logger {
 public:
  using Value = std::variant<std::string, std::int64_t, double, bool>;
  struct Field {
    std::string_view name;
    Value value;

    Field(std::string_view n, std::string v) : name(n), value(std::move(v)) {}
    Field(std::string_view n, std::string_view v) : name(n), value(std::string(v)) {}
    Field(std::string_view n, const char* v) : name(n), value(std::string(v)) {}
    Field(std::string_view n, bool v) : name(n), value(v) {}
    Field(std::string_view n, double v) : name(n), value(v) {}
    template <typename Integer>
      requires std::is_integral_v<Integer>
    Field(std::string_view n, Integer v) : name(n), value(static_cast<std::int64_t>(v)) {}
  };
  using Fields = std::initializer_list<Field>;

  Logger(LogLevel level, LogFormat format);
  ~Logger();

  void SetLevel(LogLevel level);

  // `event` is a short constant phrase; variable parts go into fields.
  void Debug(std::string_view event, Fields fields = {});
  void Info(std::string_view event, Fields fields = {});
  void Warn(std::string_view event, Fields fields = {});
  void Error(std::string_view event, Fields fields = {});
  // The fields of `context` come before `fields`.
  void Write(LogLevel level, const Context& context, std::string_view event, Fields fields = {});

 private:
  const LogFormat format_;
  const std::shared_ptr<spdlog::logger> sink_;
};

}  // namespace nodekeep
