#include "text/html_escape.h"

#include <gtest/gtest.h>

namespace ragtime::text {
namespace {

TEST(EscapeHtml, WritesWhatIsMarkupAsText) {
  EXPECT_EQ(escape_html(R"(<a href="x">&)"), "&lt;a href=&quot;x&quot;&gt;&amp;");
}

}  // namespace
}  // namespace ragtime::text
