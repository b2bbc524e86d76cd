#include "agent/app/login_key.h"

#include <charconv>

#include "agent/secrets/login_text.h"

namespace nodekeep {
namespace {

// Removes the last word of `text` and returns it.
std::string_view TakeLastWord(std::string_view& text) {
  const std::size_t space = text.rfind(' ');
  const std::string_view word = space == text.npos ? text : text.substr(space + 1);
  text = text.substr(0, space == text.npos ? 0 : space);
  return word;
}

// `settings`: as LoginText writes them, "<method> endpoint=<size>:<value> audience=...".
std::string EndpointOf(std::string_view settings) {
  constexpr std::string_view kName = " endpoint=";
  const std::size_t at = settings.find(kName);
  if (at == settings.npos || settings.find(' ') != at) return "";
  std::string_view rest = settings.substr(at + kName.size());
  std::size_t size = 0;
  const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), size);
  if (failure != std::errc() || end == rest.data() + rest.size() || *end != ':') return "";
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()) + 1);
  // A longer value is written as its digest.
  if (size > kMaxKeyPart) return "";
  return std::string(rest.substr(0, size));
}

}  // namespace

LoginSummary SummaryOf(std::string_view key) {
  LoginSummary summary{"?", "-"};
  std::string_view pod;
  std::string_view account = TakeLastWord(key);
  while (account.find('=') != account.npos) {
    if (account.starts_with("pod=")) pod = account.substr(4);
    account = TakeLastWord(key);
  }
  if (account == "any-pod") {
    summary.who = "any pod";
  } else if (account.find('/') != account.npos) {
    summary.who = account;
    const std::string_view name = pod.substr(0, pod.find('/'));
    if (!name.empty()) summary.who += ", pod " + std::string(name);
  }
  // What is left: the provider and the settings.
  const std::size_t space = key.find(' ');
  if (space == key.npos) return summary;
  std::string endpoint = EndpointOf(key.substr(space + 1));
  if (const std::size_t scheme = endpoint.find("://"); scheme != std::string::npos) {
    endpoint.erase(0, scheme + 3);
  }
  if (!endpoint.empty()) summary.where = std::move(endpoint);
  return summary;
}

}  // namespace nodekeep
