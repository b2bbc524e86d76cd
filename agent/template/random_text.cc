#include "agent/template/random_text.h"

#include <cstring>
#include <utility>
#include <vector>

#include "agent/base/codecs.h"
#include "agent/base/utf8.h"

namespace nodekeep::go {

std::uint64_t RandomBelow(const Call& call, std::uint64_t limit) {
  // Values below 2^64 mod limit are rejected: the rest is a multiple of the limit.
  const std::uint64_t rejected = (0 - limit) % limit;
  while (true) {
    std::uint64_t number = 0;
    const SecretBytes bytes = call.Random(sizeof(number));
    std::memcpy(&number, bytes.Reveal().data(), sizeof(number));
    if (number >= rejected) return number % limit;
  }
}

Result<Value> RandomText(Call& call, std::int64_t count, std::string_view alphabet) {
  if (count <= 0) return Value::Text("");
  const auto size = static_cast<std::size_t>(count);
  if (Status status = call.Charge(size); !status.ok()) return status.error();
  const std::size_t accepted = 256 / alphabet.size() * alphabet.size();
  SecretBytes text;
  text.Reserve(size);
  while (text.size() < size) {
    const SecretBytes bytes = call.Random(size - text.size());
    for (const char c : bytes.Reveal()) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < accepted) text.Append(alphabet.substr(byte % alphabet.size(), 1));
    }
  }
  return Value::Text(std::move(text));
}

Result<Value> Shuffled(Call& call, std::string_view text) {
  if (Status status = call.Charge(text.size() * sizeof(std::uint32_t)); !status.ok()) {
    return status.error();
  }
  std::vector<std::uint32_t> runes;
  runes.reserve(text.size());
  while (!text.empty()) {
    const Rune rune = FirstRune(text);
    text.remove_prefix(rune.length);
    runes.push_back(rune.code);
  }
  for (std::size_t left = runes.size(); left > 1; --left) {
    std::swap(runes[left - 1], runes[RandomBelow(call, left)]);
  }
  SecretBytes shuffled;
  for (const std::uint32_t rune : runes) shuffled.Append(EncodeUtf8(rune));
  return Value::Text(std::move(shuffled));
}

Value RandomUuid(const Call& call) {
  SecretBytes bytes = call.Random(16);
  char* const data = bytes.MutableData();
  data[6] = static_cast<char>((data[6] & 0x0F) | 0x40);  // version 4
  data[8] = static_cast<char>((data[8] & 0x3F) | 0x80);  // variant of RFC 9562
  std::string text = HexEncode(bytes.Reveal());
  for (const std::size_t at : {8, 13, 18, 23}) text.insert(at, "-");
  return Value::Text(text);
}

}  // namespace nodekeep::go
