/* What pages in HTML share. */
#ifndef METIC_UI_HTML_H
#define METIC_UI_HTML_H

#include <stdio.h>

/* Text as the contents of an element: what would begin a tag or an entity is written as one. */
void html_put_text(FILE *to, const char *text);

#endif
