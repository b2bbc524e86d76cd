#include "agent/base/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>

#include "agent/base/go_json.h"
#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarn: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
    case LogLevel::kOff: return spdlog::level::off;
  }
  return spdlog::level::info;
}

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarn: return "warn";
    case LogLevel::kError: return "error";
    case LogLevel::kOff: return "off";
  }
  return "info";
}

// One line has to stay readable and cheap, whatever a class or a backend has made of an error.
constexpr std::size_t kMaxValue = 2048;

// `text` itself, or what is left of it in `kept`.
std::string_view Shortened(std::string_view text, std::string& kept) {
  if (text.size() <= kMaxValue) return text;
  kept = fmt::format("{} ({} bytes)", Excerpt(text, kMaxValue), text.size());
  return kept;
}

std::string JsonValue(const Logger::Value& value) {
  std::string kept;
  if (const auto* text = std::get_if<std::string>(&value)) {
    return GoJsonString(Shortened(*text, kept));
  }
  if (const auto* number = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *number);
  if (const auto* number = std::get_if<double>(&value)) {
    return std::isfinite(*number) ? fmt::format("{:.3f}", *number) : "null";
  }
  return std::get<bool>(value) ? "true" : "false";
}

// Quoted only where the end of the value would be unclear, or where a terminal would interpret it.
std::string TextValue(const Logger::Value& value) {
  const auto* whole = std::get_if<std::string>(&value);
  if (whole == nullptr) return JsonValue(value);
  std::string kept;
  const std::string_view text = Shortened(*whole, kept);
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7F && c != '"' && c != '=' && c != '\\';
  });
  return plain ? std::string(text) : GoJsonString(text);
}

}  // namespace

Result<LogLevel> ParseLogLevel(std::string_view text) {
  for (LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError, LogLevel::kOff}) {
    if (text == LevelName(level)) return level;
  }
  return nodekeep::Error::Format(ErrorCode::kInvalid,
                                 "log level \"{}\": use debug, info, warn, error or off", text);
}

Result<LogFormat> ParseLogFormat(std::string_view text) {
  if (text == "json") return LogFormat::kJson;
  if (text == "text") return LogFormat::kText;
  return nodekeep::Error::Format(ErrorCode::kInvalid, "log format \"{}\": use json or text", text);
}

Logger::Logger(LogLevel level, LogFormat format)
    : format_(format),
      sink_(std::make_shared<spdlog::logger>("nodekeep",
                                             std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  sink_->set_pattern("%v");
  SetLevel(level);
}

Logger::~Logger() = default;

void Logger::SetLevel(LogLevel level) { sink_->set_level(ToSpdlog(level)); }

void Logger::Debug(std::string_view event, Fields fields) {
  Write(LogLevel::kDebug, Context(), event, fields);
}
void Logger::Info(std::string_view event, Fields fields) {
  Write(LogLevel::kInfo, Context(), event, fields);
}
void Logger::Warn(std::string_view event, Fields fields) {
  Write(LogLevel::kWarn, Context(), event, fields);
}
void Logger::Error(std::string_view event, Fields fields) {
  Write(LogLevel::kError, Context(), event, fields);
}

void Logger::Write(LogLevel level, const Context& context, std::string_view event, Fields fields) {
  if (!sink_->should_log(ToSpdlog(level))) return;
  const std::string now = FormatTime(std::chrono::system_clock::now());
  std::string line;
  if (format_ == LogFormat::kJson) {
    line = fmt::format(R"({{"time":"{}","level":"{}","event":{})", now, LevelName(level),
                       GoJsonString(event));
    for (const auto& [name, value] : context.fields()) {
      line += fmt::format(",{}:{}", GoJsonString(name), JsonValue(Value(value)));
    }
    for (const Field& field : fields) {
      line += fmt::format(",{}:{}", GoJsonString(field.name), JsonValue(field.value));
    }
    line += '}';
  } else {
    line = fmt::format("{} {:<5} {}", now, LevelName(level), event);
    for (const auto& [name, value] : context.fields()) {
      line += fmt::format(" {}={}", name, TextValue(Value(value)));
    }
    for (const Field& field : fields) {
      line += fmt::format(" {}={}", field.name, TextValue(field.value));
    }
  }
  sink_->log(ToSpdlog(level), line);
}

}  // namespace nodekeep
