#include "agent/template/pem_text.h"

#include <algorithm>

#include "agent/base/codecs.h"

namespace nodekeep::go {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "\n-----END ";
constexpr std::string_view kDashes = "-----";
constexpr std::string_view kBlanks = " \t\r\n\v\f";

std::string_view TrimRight(std::string_view text, std::string_view blanks) {
  return text.substr(0, text.find_last_not_of(blanks) + 1);  // npos + 1 is 0
}

std::string Trim(std::string_view text) {
  text = TrimRight(text, kBlanks);
  const std::size_t start = text.find_first_not_of(kBlanks);
  return std::string(start == text.npos ? std::string_view() : text.substr(start));
}

// The first line without its end and blanks before that; `text` then begins behind it.
std::string_view TakeLine(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  if (end != std::string_view::npos && line.ends_with('\r')) line.remove_suffix(1);
  return TrimRight(line, " \t");
}

bool DecodeBody(std::string_view body, SecretBytes& bytes) {
  SecretBytes digits;
  digits.Reserve(body.size());
  while (!body.empty()) {
    const std::size_t blank = std::min(body.find_first_of(" \t"), body.size());
    digits.Append(body.substr(0, blank));
    body.remove_prefix(std::min(blank + 1, body.size()));
  }
  Result<SecretBytes> decoded = Base64Decode(digits.Reveal());
  if (!decoded.ok()) return false;
  bytes = *std::move(decoded);
  return true;
}

// What follows "-----BEGIN " of one block.
struct Candidate {
  std::optional<GoPemBlock> block;
  std::string_view rest;  // behind the block, or where to look on
  bool is_last = false;   // the text ends inside of the headers
};

void ReadHeaders(std::string_view& text, GoPemBlock& block) {
  while (!text.empty()) {
    std::string_view next = text;
    const std::string_view line = TakeLine(next);
    const std::size_t colon = line.find(':');
    if (colon == line.npos) return;
    block.headers[Trim(line.substr(0, colon))] = Trim(line.substr(colon + 1));
    text = next;
  }
}

// `end`: where the END line that follows begins, with the line break before it.
Candidate ReadCandidate(std::string_view text, const char* end) {
  const char* const behind_end = end + kEnd.size();
  const auto from = [&](const char* at) {
    return std::string_view(at, static_cast<std::size_t>(text.data() + text.size() - at));
  };
  Candidate found{std::nullopt, from(behind_end), false};
  std::string_view body = text;
  std::string_view type = TakeLine(body);
  if (!type.ends_with(kDashes)) return found;
  type.remove_suffix(kDashes.size());
  GoPemBlock block;
  block.type = type;
  ReadHeaders(body, block);
  // Headers that go on behind the END line end the search, as in Go, which keeps it linear.
  if (body.empty() || body.data() > behind_end) {
    found.is_last = true;
    return found;
  }
  const bool ends_at_once = block.headers.empty() && body.starts_with(kEnd.substr(1));
  if (!ends_at_once && body.data() > end) return found;

  const char* const trailer_at = ends_at_once ? body.data() + kEnd.size() - 1 : behind_end;
  std::string_view trailer = from(trailer_at);
  if (trailer.size() < type.size() + kDashes.size()) return found;
  const std::string_view last = trailer.substr(0, type.size() + kDashes.size());
  trailer.remove_prefix(last.size());
  if (!last.starts_with(type) || !last.ends_with(kDashes)) return found;
  if (!TakeLine(trailer).empty()) return found;
  const std::size_t size = ends_at_once ? 0 : static_cast<std::size_t>(end - body.data());
  if (!DecodeBody(body.substr(0, size), block.bytes)) return found;
  found.block = std::move(block);
  found.rest = trailer;
  return found;
}

void AppendHeader(std::string_view name, std::string_view value, SecretBytes& out) {
  out.Append(name);
  out.Append(": ");
  out.Append(value);
  out.Append("\n");
}

}  // namespace

std::optional<GoPemBlock> NextPemBlock(std::string_view& rest) {
  std::string_view text = rest;
  while (true) {
    const std::size_t end = text.find(kEnd);
    if (end == text.npos) return std::nullopt;
    const std::string_view before = text.substr(0, end);
    const std::size_t begin = before.rfind(kBegin);
    if (begin == before.npos || (begin > 0 && text[begin - 1] != '\n')) {
      text.remove_prefix(end + kEnd.size());
      continue;
    }
    Candidate candidate = ReadCandidate(text.substr(begin + kBegin.size()), text.data() + end);
    if (candidate.is_last) return std::nullopt;
    text = candidate.rest;
    if (!candidate.block) continue;
    rest = text;
    return std::move(candidate.block);
  }
}

void AppendPem(const GoPemBlock& block, SecretBytes& out) {
  constexpr std::size_t kColumns = 64;
  constexpr std::string_view kFirst = "Proc-Type";
  out.Append(kBegin);
  out.Append(block.type);
  out.Append("-----\n");
  const auto first = block.headers.find(std::string(kFirst));
  if (first != block.headers.end()) AppendHeader(kFirst, first->second, out);
  for (const auto& [name, value] : block.headers) {
    if (name != kFirst) AppendHeader(name, value, out);
  }
  if (!block.headers.empty()) out.Append("\n");
  const SecretBytes digits = SecretBytes::MoveFrom(Base64Encode(block.bytes.Reveal()));
  for (std::string_view left = digits.Reveal(); !left.empty();) {
    out.Append(left.substr(0, kColumns));
    out.Append("\n");
    left.remove_prefix(std::min(kColumns, left.size()));
  }
  out.Append(kEnd.substr(1));
  out.Append(block.type);
  out.Append("-----\n");
}

SecretBytes PemOf(std::string_view type, std::string_view bytes) {
  SecretBytes out;
  AppendPem({std::string(type), {}, SecretBytes(bytes)}, out);
  return out;
}

Error NilPointerPanic() {
  return {ErrorCode::kInvalid, "runtime error: invalid memory address or nil pointer dereference"};
}

}  // namespace nodekeep::go
