// Reading what the public API answers, for the command line as its client.
//
// Thread safety: pure functions; an AnswerReader belongs to one reply.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/request_context.h"
#include "base/result.h"
#include "engine/engine.h"
#include "rag/answer.h"
#include "server/backend.h"

namespace ragtime::server {

// Members of an object, with a neutral value when absent or of another type.
std::string text_member(const boost::json::object& object, std::string_view key);
double number_member(const boost::json::object& object, std::string_view key);
bool flag_member(const boost::json::object& object, std::string_view key);
// The objects of a list.
std::vector<boost::json::object> list_member(const boost::json::object& object, std::string_view key);

// Percent-encodes everything but letters, digits and -._~
std::string encode_url(std::string_view text);

// The JSON object of a successful reply, or the error that the body names.
Result<boost::json::object> read_reply(int status, std::string_view body);

engine::SearchHit read_hit(const boost::json::object& hit);
// Adds the stages of `ragtime.timings`.
void add_timings(const boost::json::object& reply, RequestContext& context);

// Collects the events of a streamed response.
class AnswerReader {
 public:
  AnswerReader(TextSink& sink, RequestContext& context) : sink_(sink), context_(context) {}

  // The data of one event. Errors: the one that the stream reports.
  Result<void> take(std::string_view data);
  // Errors: unavailable when the stream ended before the answer was complete.
  Result<rag::Answer> finish();

 private:
  void complete(const boost::json::object& response);

  TextSink& sink_;
  RequestContext& context_;
  rag::Answer answer_;
  bool completed_ = false;
};

}  // namespace ragtime::server
