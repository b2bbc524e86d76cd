#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/utf8.h"
#include "agent/template/conversions.h"
#include "agent/template/equality.h"
#include "agent/template/function.h"
#include "agent/template/text_builder.h"
#include "agent/template/words.h"

namespace nodekeep::go {
namespace {

using Arguments = std::span<const Value>;
using Items = std::span<const Value>;

// The items of a list argument. `refusal`: "Cannot find last on type {}". Errors: kInvalid.
Result<Items> ItemsOf(const Value& list, std::string_view refusal) {
  if (list.IsNil()) {
    return Error(ErrorCode::kInvalid,
                 "runtime error: invalid memory address or nil pointer dereference");
  }
  if (list.kind() == Kind::kSlice) return list.items();
  return Error(ErrorCode::kInvalid, fmt::format(fmt::runtime(refusal), NameOf(list.kind())));
}

Result<Value> NewList(Call& call, std::vector<Value> items) {
  if (Status status = call.Charge(items.size() * sizeof(Value)); !status.ok()) {
    return status.error();
  }
  return Value::List(std::move(items));
}

Result<Value> List(Call& call, Arguments arguments) {
  return NewList(call, {arguments.begin(), arguments.end()});
}

Result<Value> Append(Call& call, Arguments arguments) {
  Result<Items> items = ItemsOf(arguments[0], "Cannot push on type {}");
  if (!items.ok()) return items.error();
  std::vector<Value> longer(items->begin(), items->end());
  longer.push_back(arguments[1]);
  return NewList(call, std::move(longer));
}

Result<Value> Prepend(Call& call, Arguments arguments) {
  Result<Items> items = ItemsOf(arguments[0], "Cannot prepend on type {}");
  if (!items.ok()) return items.error();
  std::vector<Value> longer{arguments[1]};
  longer.insert(longer.end(), items->begin(), items->end());
  return NewList(call, std::move(longer));
}

Result<Value> First(Call&, Arguments arguments) {
  Result<Items> items = ItemsOf(arguments[0], "Cannot find first on type {}");
  if (!items.ok()) return items.error();
  return items->empty() ? Value() : items->front();
}

Result<Value> Last(Call&, Arguments arguments) {
  Result<Items> items = ItemsOf(arguments[0], "Cannot find last on type {}");
  if (!items.ok()) return items.error();
  return items->empty() ? Value() : items->back();
}

Result<Value> Rest(Call& call, Arguments arguments) {
  Result<Items> items = ItemsOf(arguments[0], "Cannot find rest on type {}");
  if (!items.ok()) return items.error();
  if (items->empty()) return Value::NilOf(Type::kAnyList);
  return NewList(call, {items->begin() + 1, items->end()});
}

Result<Value> Initial(Call& call, Arguments arguments) {
  Result<Items> items = ItemsOf(arguments[0], "Cannot find initial on type {}");
  if (!items.ok()) return items.error();
  if (items->empty()) return Value::NilOf(Type::kAnyList);
  return NewList(call, {items->begin(), items->end() - 1});
}

Result<Value> Reverse(Call& call, Arguments arguments) {
  Result<Items> items = ItemsOf(arguments[0], "Cannot find reverse on type {}");
  if (!items.ok()) return items.error();
  return NewList(call, {items->rbegin(), items->rend()});
}

Result<Value> Compact(Call& call, Arguments arguments) {
  Result<Items> items = ItemsOf(arguments[0], "Cannot compact on type {}");
  if (!items.ok()) return items.error();
  if (Status status = call.Step(items->size() / 16); !status.ok()) return status.error();
  std::vector<Value> kept;
  std::copy_if(items->begin(), items->end(), std::back_inserter(kept),
               [](const Value& item) { return !IsEmpty(item); });
  return NewList(call, std::move(kept));
}

// Errors: kTooLarge.
Result<bool> Has(Call& call, Items items, const Value& wanted) {
  if (Status status = call.Step(1 + items.size() / 16); !status.ok()) return status.error();
  for (const Value& item : items) {
    Result<bool> equal = DeepEqual(call, wanted, item);
    if (!equal.ok() || *equal) return equal;
  }
  return false;
}

Result<Value> Uniq(Call& call, Arguments arguments) {
  Result<Items> items = ItemsOf(arguments[0], "Cannot find uniq on type {}");
  if (!items.ok()) return items.error();
  std::vector<Value> kept;
  for (const Value& item : *items) {
    Result<bool> known = Has(call, kept, item);
    if (!known.ok()) return known.error();
    if (!*known) kept.push_back(item);
  }
  return NewList(call, std::move(kept));
}

Result<Value> Without(Call& call, Arguments arguments) {
  Result<Items> items = ItemsOf(arguments[0], "Cannot find without on type {}");
  if (!items.ok()) return items.error();
  std::vector<Value> kept;
  for (const Value& item : *items) {
    Result<bool> omitted = Has(call, arguments.subspan(1), item);
    if (!omitted.ok()) return omitted.error();
    if (!*omitted) kept.push_back(item);
  }
  return NewList(call, std::move(kept));
}

Result<Value> HasItem(Call& call, Arguments arguments) {
  if (arguments[1].IsNil()) return Value::Bool(false);
  Result<Items> items = ItemsOf(arguments[1], "Cannot find has on type {}");
  if (!items.ok()) return items.error();
  Result<bool> found = Has(call, *items, arguments[0]);
  if (!found.ok()) return found.error();
  return Value::Bool(*found);
}

Result<Value> Slice(Call& call, Arguments arguments) {
  Result<Items> items = ItemsOf(arguments[0], "list should be type of slice or array but {}");
  if (!items.ok()) return items.error();
  if (items->empty()) return Value();
  const auto size = static_cast<std::int64_t>(items->size());
  const std::int64_t from = arguments.size() > 1 ? ToInt64(arguments[1]) : 0;
  const std::int64_t to = arguments.size() > 2 ? ToInt64(arguments[2]) : size;
  if (from < 0 || to < from || to > size) {
    return Error(ErrorCode::kInvalid, "reflect.Value.Slice: slice index out of bounds");
  }
  std::vector<Value> part(items->begin() + from, items->begin() + to);
  if (Status status = call.Charge(part.size() * sizeof(Value)); !status.ok()) {
    return status.error();
  }
  return Value::List(arguments[0].type(), std::move(part));
}

Result<Value> Concat(Call& call, Arguments arguments) {
  std::vector<Value> all;
  for (const Value& list : arguments) {
    Result<Items> items = ItemsOf(list, "Cannot concat type {} as list");
    if (!items.ok()) return items.error();
    if (Status status = call.Charge(items->size() * sizeof(Value)); !status.ok()) {
      return status.error();
    }
    all.insert(all.end(), items->begin(), items->end());
  }
  return all.empty() ? Value::NilOf(Type::kAnyList) : Value::List(std::move(all));
}

// `start`: of the chunk, which wraps as in Go for sizes below zero. Errors: kInvalid.
Result<std::vector<Value>> ChunkAt(Items items, std::int64_t start, std::int64_t length) {
  const auto size = static_cast<std::int64_t>(items.size());
  if (length < 0) return Error(ErrorCode::kInvalid, "runtime error: makeslice: len out of range");
  if (length > 0 && (start < 0 || start > size - length)) {
    return Error(ErrorCode::kInvalid, "reflect: slice index out of range");
  }
  return std::vector<Value>(items.begin() + (length > 0 ? start : 0),
                            items.begin() + (length > 0 ? start : 0) + length);
}

Result<Value> Chunk(Call& call, Arguments arguments) {
  Result<Items> items = ItemsOf(arguments[1], "Cannot chunk type {}");
  if (!items.ok()) return items.error();
  const std::int64_t size = arguments[0].integer();
  const auto count = static_cast<double>(items->size());
  const double whole_chunks = std::floor((count - 1) / static_cast<double>(size)) + 1;
  const std::int64_t chunks = TruncateToInt64(whole_chunks);
  if (chunks < 0) return Error(ErrorCode::kInvalid, "runtime error: makeslice: len out of range");
  if (Status status =
          call.Charge(static_cast<std::size_t>(chunks) * 64 + items->size() * sizeof(Value));
      !status.ok()) {
    return status.error();
  }
  std::vector<Value> list;
  for (std::int64_t i = 0; i < chunks; ++i) {
    std::int64_t length = size;
    if (i == chunks - 1) {
      length = TruncateToInt64(std::floor(std::fmod(count, static_cast<double>(size))));
      if (length == 0) length = size;
    }
    Result<std::vector<Value>> chunk = ChunkAt(*items, i * size, length);
    if (!chunk.ok()) return chunk.error();
    list.push_back(Value::List(*std::move(chunk)));
  }
  return Value::List(Type::kListOfLists, std::move(list));
}

Result<Value> Join(Call& call, Arguments arguments) {
  Result<std::vector<Value>> texts = TextsOf(call, arguments[1]);
  if (!texts.ok()) return texts.error();
  TextBuilder out(call);
  for (std::size_t i = 0; i < texts->size() && out.ok(); ++i) {
    if (i > 0) out.Append(arguments[0].text());
    out.Append((*texts)[i].text());
  }
  return out.Finish();
}

Result<Value> ToStrings(Call& call, Arguments arguments) {
  if (arguments[0].type() == Type::kStringList) return arguments[0];
  Result<std::vector<Value>> texts = TextsOf(call, arguments[0]);
  if (!texts.ok()) return texts.error();
  return Value::List(Type::kStringList, *std::move(texts));
}

Result<Value> SortAlpha(Call& call, Arguments arguments) {
  if (arguments[0].IsNil()) return Value::Strings({"<nil>"});
  if (arguments[0].type() == Type::kStringList && arguments[0].HoldsNothing()) return arguments[0];
  Result<std::vector<Value>> texts = TextsOf(call, arguments[0]);
  if (!texts.ok()) return texts.error();
  if (Status status = call.Step(texts->size()); !status.ok()) return status.error();
  std::sort(texts->begin(), texts->end(),
            [](const Value& a, const Value& b) { return a.text() < b.text(); });
  return Value::List(Type::kStringList, *std::move(texts));
}

// The parts of `text` between separators, at most `limit`; all if it is negative. Without a
// separator each character is a part. Errors: kTooLarge.
Result<std::vector<Value>> Parts(Call& call, std::string_view text, std::string_view separator,
                                 std::int64_t limit) {
  std::vector<Value> parts;
  if (limit == 0 || (separator.empty() && text.empty())) return parts;
  const std::uint64_t most =
      limit < 0 ? std::numeric_limits<std::uint64_t>::max() : static_cast<std::uint64_t>(limit);
  while (true) {
    std::size_t end = separator.empty() ? FirstRune(text).length : FindText(text, separator);
    const bool is_last = parts.size() + 1 >= most || end == std::string_view::npos ||
                         (separator.empty() && end == text.size());
    if (is_last) end = text.size();
    if (Status status = call.Charge(2 * sizeof(Value) + end); !status.ok()) return status.error();
    parts.push_back(Value::Text(text.substr(0, end)));
    if (is_last) return parts;
    text.remove_prefix(end + separator.size());
  }
}

Result<Value> SplitList(Call& call, Arguments arguments) {
  Result<std::vector<Value>> parts = Parts(call, arguments[1].text(), arguments[0].text(), -1);
  if (!parts.ok()) return parts.error();
  return Value::List(Type::kStringList, *std::move(parts));
}

Result<Value> Numbered(Call& call, Result<std::vector<Value>> parts) {
  if (!parts.ok()) return parts.error();
  constexpr std::size_t kEntry = 128;
  if (Status status = call.Charge(parts->size() * kEntry); !status.ok()) return status.error();
  Map entries;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    entries.emplace("_" + std::to_string(i), std::move((*parts)[i]));
  }
  return Value::MapOf(Type::kStringMap, std::move(entries));
}

Result<Value> Split(Call& call, Arguments arguments) {
  return Numbered(call, Parts(call, arguments[1].text(), arguments[0].text(), -1));
}

Result<Value> SplitN(Call& call, Arguments arguments) {
  return Numbered(call,
                  Parts(call, arguments[2].text(), arguments[0].text(), arguments[1].integer()));
}

}  // namespace

std::span<const Function> ListFunctions() {
  static const Function functions[] = {
      {"list", "items ...any", List, "a list of the values", R"({{ list "a" 1 true }})"},
      {"tuple", "items ...any", List, "as list"},
      {"append", "list any, item any", Append, "the list with a value at its end",
       "{{ append (list 1 2) 3 }}"},
      {"mustAppend", "list any, item any", Append, "as append"},
      {"push", "list any, item any", Append, "as append"},
      {"mustPush", "list any, item any", Append, "as append"},
      {"prepend", "list any, item any", Prepend, "the list with a value before its start",
       "{{ prepend (list 1 2) 0 }}"},
      {"mustPrepend", "list any, item any", Prepend, "as prepend"},
      {"concat", "lists ...any", Concat, "the lists as one", "{{ concat (list 1) (list 2 3) }}"},
      {"first", "list any", First, "the first item; nil of an empty list",
       "{{ first (list 1 2 3) }}"},
      {"mustFirst", "list any", First, "as first"},
      {"last", "list any", Last, "the last item; nil of an empty list", "{{ last (list 1 2 3) }}"},
      {"mustLast", "list any", Last, "as last"},
      {"rest", "list any", Rest, "all items but the first", "{{ rest (list 1 2 3) }}"},
      {"mustRest", "list any", Rest, "as rest"},
      {"initial", "list any", Initial, "all items but the last", "{{ initial (list 1 2 3) }}"},
      {"mustInitial", "list any", Initial, "as initial"},
      {"reverse", "list any", Reverse, "the items in reverse order", "{{ reverse (list 1 2 3) }}"},
      {"mustReverse", "list any", Reverse, "as reverse"},
      {"uniq", "list any", Uniq, "the items without repetitions", "{{ uniq (list 1 2 1) }}"},
      {"mustUniq", "list any", Uniq, "as uniq"},
      {"compact", "list any", Compact, "the items that are not empty",
       R"({{ compact (list 1 "" 0 2) }})"},
      {"mustCompact", "list any", Compact, "as compact"},
      {"without", "list any, omitted ...any", Without, "the items without the given values",
       "{{ without (list 1 2 3) 2 }}"},
      {"mustWithout", "list any, omitted ...any", Without, "as without"},
      {"has", "item any, list any", HasItem, "whether the list has the value",
       "{{ has 2 (list 1 2 3) }}"},
      {"mustHas", "item any, list any", HasItem, "as has"},
      {"slice", "list any, indices ...any", Slice, "the items from one index up to another",
       "{{ slice (list 1 2 3 4) 1 3 }}"},
      {"mustSlice", "list any, indices ...any", Slice, "as slice"},
      {"chunk", "size int, list any", Chunk, "a list of lists of so many items",
       "{{ chunk 2 (list 1 2 3) }}"},
      {"mustChunk", "size int, list any", Chunk, "as chunk"},
      {"join", "separator string, list any", Join, "the items as one text, nil left out",
       R"({{ join "," (list 1 2 3) }})"},
      {"toStrings", "list any", ToStrings, "the items as text, nil left out",
       R"({{ toStrings (list 1 2) | join "-" }})"},
      {"sortAlpha", "list any", SortAlpha, "the items as text, in the order of their bytes",
       R"({{ sortAlpha (list "b" "c" "a") }})"},
      {"splitList", "separator string, s string", SplitList, "a list of the parts of a text",
       R"({{ splitList "," "a,b" }})"},
      {"split", "separator string, s string", Split,
       "a map of the parts of a text with the keys _0, _1, ...", R"({{ (split "," "a,b")._1 }})"},
      {"splitn", "separator string, n int, s string", SplitN, "as split, into at most n parts",
       R"({{ (splitn "," 2 "a,b,c")._1 }})"},
  };
  return functions;
}

}  // namespace nodekeep::go
