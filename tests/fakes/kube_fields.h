#pragma once

// Fields, owners and selectors of objects, for the fake API server.

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json.h"

namespace nodekeep {

// The path of a field. Below metadata.ownerReferences the last element is the owner's uid.
using FieldPath = std::vector<std::string>;
using Fields = std::map<FieldPath, Json>;

// All fields of an object with their values, except those that identify the object.
Fields FieldsOf(const Json& object);
void SetField(Json& object, const FieldPath& path, const Json& value);
void EraseField(Json& object, const FieldPath& path);
// RFC 7386.
void Merge(Json& target, const Json& patch);
// The member with that name, created as an empty object if missing.
Json& Member(Json& object, const std::string& name);

bool HasLabels(const Json& object, const std::string& selector);
bool HasFields(const Json& object, const std::string& selector);

// The string at a path, "" if there is none.
std::string Text(const Json& object, std::initializer_list<std::string_view> path);
// The parts of `text` between `mark`; empty parts are left out.
std::vector<std::string> Split(std::string_view text, char mark);

}  // namespace nodekeep
