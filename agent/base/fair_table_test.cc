#include "agent/base/fair_table.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {
namespace {

using Table = FairTable<std::string, int>;

std::string KeysOf(const Table& table) {
  std::string keys;
  table.ForEach([&](const std::string& key, int, std::size_t) { keys += key + " "; });
  return keys;
}

}  // namespace

TEST_CASE(
    "fair table: a namespace that is alone fills it, and drops its least recently used item") {
  Table table(3);
  for (const char* key : {"a", "b", "c"}) CHECK(table.Put("one", key, 1, 1).empty());
  CHECK(table.Use("a") != nullptr);
  CHECK(table.Put("one", "d", 1, 1).size() == 1);
  CHECK(KeysOf(table) == "a c d ");
  CHECK(table.size() == 3);
}

TEST_CASE("fair table: what a greedy namespace adds displaces its own items only") {
  Table table(100);
  table.Put("honest", "h1", 1, 10);
  table.Put("other", "o1", 1, 20);
  for (int i = 0; i < 1000; ++i) table.Put("greedy", "g" + std::to_string(i), 1, 10);
  CHECK(table.Contains("h1"));
  CHECK(table.Contains("o1"));
  CHECK(table.size() == 100);
  CHECK(table.count() == 9);

  INFO("and it makes room for one that comes later");
  for (int i = 0; i < 3; ++i) table.Put("late", "l" + std::to_string(i), 1, 10);
  CHECK(table.count() == 9);
  CHECK(table.Contains("l0"));
  CHECK(table.Contains("h1"));
}

TEST_CASE("fair table: an item is replaced, its namespace with it") {
  Table table(10);
  table.Put("one", "a", 1, 6);
  const Table::Removed removed = table.Put("two", "a", 2, 4);
  REQUIRE(removed.size() == 1);
  CHECK(removed[0].mapped().value == 1);
  CHECK(*table.Find("a") == 2);
  CHECK(table.size() == 4);
  CHECK(table.EraseOldestOf("one").empty());
  CHECK(table.EraseOldestOf("two").size() == 1);
  CHECK(table.count() == 0);
}

TEST_CASE(
    "fair table: an item larger than the capacity is not stored, its former value is removed") {
  Table table(10);
  table.Put("one", "a", 1, 1);
  table.Put("one", "b", 1, 1);
  CHECK(table.Put("one", "a", 2, 11).size() == 1);
  CHECK(KeysOf(table) == "b ");
}

TEST_CASE("fair table: a smaller capacity takes effect at once") {
  Table table(10);
  for (const char* key : {"a", "b", "c"}) table.Put("one", key, 1, 3);
  CHECK(table.SetCapacity(4).size() == 2);
  CHECK(KeysOf(table) == "c ");
}

TEST_CASE("fair table: items are erased by a condition, or from a key on") {
  Table table(100);
  for (const char* key : {"a", "b1", "b2", "c"}) table.Put(key, key, key[0] == 'c' ? 7 : 1, 1);
  CHECK(table.EraseWhile("b", [](const std::string& key) { return key[0] == 'b'; }).size() == 2);
  CHECK(KeysOf(table) == "a c ");
  CHECK(table.EraseIf([](const std::string&, int value) { return value == 7; }).size() == 1);
  CHECK(table.size() == 1);
  table.Clear();
  CHECK(table.size() == 0);
  CHECK(table.Put("one", "a", 1, 100).empty());
}

}  // namespace nodekeep
