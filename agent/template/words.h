#pragma once

// Names as words: snake_case, kebab-case, PascalCase; and the case of the words of a text.

#include <cstddef>
#include <string>
#include <string_view>

namespace nodekeep::go {

// The words in lower case, joined by `connector`: "HTTPServer" is http_server, "http2xx" is
// http_2xx, "Bld4Floor3rd" is bld4_floor_3rd. Blanks, hyphens and underscores become connectors.
std::string LowerCaseWords(std::string_view text, char connector);

// "http_server" is HttpServer; connectors at the ends, and all but one of several, stay.
std::string PascalCase(std::string_view text);

// The first letter of each word in title case. Words are what unicode text has between characters
// that are no letters, digits or underscores.
std::string TitleCase(std::string_view text);

// The first character of each word in lower case; words are separated by white space.
std::string Uncapitalized(std::string_view text);

// Where `part` starts first in `text`, as std::string_view::find says, but in linear time for any
// texts.
std::size_t FindText(std::string_view text, std::string_view part);

// Upper case as lower case; lower case as upper case, or title case at the start of a word.
std::string SwappedCase(std::string_view text);

}  // namespace nodekeep::go
