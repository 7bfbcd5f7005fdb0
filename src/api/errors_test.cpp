#include "api/errors.h"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace ragtime::api {
namespace {

json::object body_of(const http::Response& response) {
  return json::parse(response.body).at("error").as_object();
}

TEST(Errors, EveryCodeHasAStatusAndOpenAisBody) {
  const std::pair<ErrorCode, int> expected[] = {
      {ErrorCode::invalid_argument, 400},  {ErrorCode::unauthenticated, 401},    {ErrorCode::permission_denied, 403},
      {ErrorCode::not_found, 404},         {ErrorCode::conflict, 409},           {ErrorCode::too_large, 413},
      {ErrorCode::unsupported, 415},       {ErrorCode::resource_exhausted, 429}, {ErrorCode::unavailable, 503},
      {ErrorCode::deadline_exceeded, 504}, {ErrorCode::cancelled, 499},          {ErrorCode::corrupt, 500},
      {ErrorCode::internal, 500}};
  for (const auto& [code, status] : expected) {
    const http::Response response = error_response(make_error(code, "why", "field"));
    EXPECT_EQ(response.status, status) << name(code);
    const json::object error = body_of(response);
    EXPECT_EQ(error.size(), 4u);
    EXPECT_TRUE(error.at("type").is_string());
    EXPECT_EQ(error.at("param"), "field");
    EXPECT_TRUE(error.contains("message") && error.contains("code"));
  }
}

TEST(Errors, TellClientsWhetherToRetry) {
  const auto header = [](ErrorCode code, std::string_view header_name) {
    return std::string(error_response(make_error(code, "x")).headers.find(header_name).value_or(""));
  };
  EXPECT_EQ(header(ErrorCode::internal, "x-should-retry"), "false");
  EXPECT_EQ(header(ErrorCode::conflict, "x-should-retry"), "false");
  EXPECT_EQ(header(ErrorCode::unavailable, "x-should-retry"), "true");
  EXPECT_EQ(header(ErrorCode::unavailable, "retry-after"), "1");
  EXPECT_EQ(header(ErrorCode::resource_exhausted, "retry-after"), "1");
  EXPECT_EQ(header(ErrorCode::invalid_argument, "x-should-retry"), "");
  EXPECT_EQ(header(ErrorCode::unauthenticated, "www-authenticate"), "Bearer");
}

TEST(Errors, TellHowLongToWait) {
  Error busy = make_error(ErrorCode::resource_exhausted, "busy");
  busy.retry_after = std::chrono::milliseconds(2300);
  const http::Response response = error_response(busy);
  EXPECT_EQ(response.headers.find("retry-after").value_or(""), "3");
  EXPECT_EQ(response.headers.find("retry-after-ms").value_or(""), "2300");
  EXPECT_FALSE(error_response(make_error(ErrorCode::unavailable, "down")).headers.find("retry-after-ms"));
}

TEST(Errors, HideTheInsideOfDefects) {
  const json::object error = body_of(error_response(make_error(ErrorCode::internal, "null at engine.cpp:7")));
  EXPECT_EQ(std::string(error.at("message").as_string()).find("engine.cpp"), std::string::npos);
  EXPECT_TRUE(error.at("param").is_null());
  const json::object damage = body_of(error_response(make_error(ErrorCode::corrupt, "/data/ragtime.db is not a database")));
  EXPECT_EQ(std::string(damage.at("message").as_string()).find("/data"), std::string::npos);
}

TEST(Errors, AreValidUtf8WhateverTheyRepeat) {
  const json::object error = body_of(error_response(make_error(ErrorCode::not_found, "No file '\xff灯' exists.")));
  EXPECT_EQ(error.at("message"), "No file '\xEF\xBF\xBD灯' exists.");
}

TEST(Errors, AnUnknownModelHasOpenAisCode) {
  const json::object error = body_of(error_response(make_error(ErrorCode::not_found, "none", "model")));
  EXPECT_EQ(error.at("code"), "model_not_found");
}

TEST(Errors, OfHttpKeepTheirStatus) {
  const http::Response response = error_response(405, make_error(ErrorCode::invalid_argument, "wrong method"));
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(body_of(response).at("type"), "invalid_request_error");
  EXPECT_EQ(body_of(response).at("message"), "wrong method");
  EXPECT_EQ(body_of(error_response(404, make_error(ErrorCode::not_found, "no"))).at("type"), "not_found");
  EXPECT_EQ(body_of(error_response(503, make_error(ErrorCode::unavailable, "no"))).at("type"), "server_error");
}

}  // namespace
}  // namespace ragtime::api
