// JSON values as text with numbers as people write them: 0.7, not 7E-1. Pure; safe from any thread.
#pragma once

#include <string>

#include <boost/json/value.hpp>

namespace ragtime::api {

// A double that holds exactly a float is written with a float's digits, since scores and vectors are floats.
// Precondition: no infinity and no NaN (JSON has none; they become null).
std::string json_text(const boost::json::value& value);

}  // namespace ragtime::api
