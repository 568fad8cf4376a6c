/* A profile as one page for a browser: flame graph, top table, timeline, instruction mix, hot
 * blocks. Nothing is loaded from elsewhere; the data stand in the page, a script draws them. */
#include "ui/trace/html.h"
#include "ui/trace/profile.h"

#include "ui/ui.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 400, MAX_ROWS = 40, MAX_HOT = 8, MIN_SHARE = 2000 };

static const char head[] =
    "<!doctype html><html><head><meta charset=utf-8><title>metic profile</title><style>\n"
    "body{font:13px sans-serif;margin:1.5em;color:#222;background:#fff}h2{margin:1.2em 0 .4em}\n"
    "#flame{position:relative;width:100%;overflow:hidden}\n"
    "#flame div{position:absolute;height:17px;overflow:hidden;white-space:nowrap;font:11px "
    "sans-serif;line-height:17px;padding-left:2px;box-sizing:border-box;border-right:1px solid "
    "#fff;cursor:pointer}\n"
    "table{border-collapse:collapse}td,th{padding:1px 10px 1px 0;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}\n"
    "pre{font:11px monospace;background:#f6f6f6;padding:6px;overflow:auto}\n"
    ".side{display:flex;gap:1em;flex-wrap:wrap}.side pre{flex:1;min-width:24em;max-height:30em}\n"
    "i.k{display:inline-block;width:10px;height:10px;margin:0 4px 0 12px}\n"
    "</style></head><body><h1>Where the guest spent its time</h1>\n";

static const char script[] =
    "<script>\n"
    "const col=n=>{let h=0;for(const c of n)h=(h*31+c.charCodeAt(0))>>>0;"
    "return'hsl('+(18+h%42)+','+(62+h%22)+'%,'+(66+(h>>6)%12)+'%)'};\n"
    "const box=document.getElementById('flame'),says=document.getElementById('says');\n"
    "function draw(root){box.textContent='';let deep=0;const W=box.clientWidth;\n"
    "const put=(n,x,w,d)=>{if(w<1.2)return;deep=Math.max(deep,d);const e=document.createElement("
    "'div');e.style.left=x+'px';e.style.top=d*18+'px';e.style.width=w+'px';e.style.background="
    "d?col(n[0]):'#ccc';if(w>26)e.textContent=n[0];const t=n[0]+': '+n[1]+' samples, '+"
    "(100*n[1]/tree[1]).toFixed(1)+' %, itself '+n[2];e.title=t;e.onmouseover=()=>says."
    "textContent=t;e.onclick=()=>draw(n===root?tree:n);box.appendChild(e);let at=x;for(const c of "
    "n[3]){const cw=w*c[1]/n[1];put(c,at,cw,d+1);at+=cw}};\n"
    "put(root,0,W,0);box.style.height=(deep+1)*18+'px'}\n"
    "draw(tree);addEventListener('resize',()=>draw(tree));\n"
    "const c=document.getElementById('time'),g=c.getContext('2d');"
    "const fill=['#4c8bd0','#e08a3c','#8a63c0','#e6e6e6'];\n"
    "time.forEach((h,y)=>{let last=[];h.forEach((b,x)=>{let at=0;if(b.some(v=>v))last=b;"
    "else b=last;"
    "const all=b.reduce((s,v)=>s+v,0);b.forEach((v,s)=>{const t=40*v/all;g.fillStyle=fill[s];"
    "g.fillRect(x*2,y*46+40-at-t,2,t);at+=t})})});\n"
    "const most=Math.max(1,...irq);irq.forEach((v,x)=>{g.fillStyle='#c33';const t=40*v/most;"
    "g.fillRect(x*2,time.length*46+40-t,2,t)});\n"
    "g.fillStyle='#222';g.font='10px sans-serif';time.forEach((h,y)=>g.fillText('hart '+y,2,y*46+"
    "10));g.fillText('interrupts, at most '+most+' in '+bin,2,time.length*46+10);\n"
    "</script></body></html>\n";

/* A JSON string that may stand in a script, which `</` or `<!` would end or change. */
static void put_json(FILE *to, const char *text)
{
    char safe[512];
    size_t used = 0;
    for (; *text != '\0' && used + 1 < sizeof(safe); text++) {
        safe[used++] = *text == '<' && (text[1] == '/' || text[1] == '!') ? '{' : *text;
    }
    safe[used] = '\0';
    ui_print_json_string(to, safe);
}

static void put_tree(FILE *to, const struct profile_node *node, u64 least)
{
    fputc('[', to);
    put_json(to, node->name);
    fprintf(to, ",%" PRIu64 ",%" PRIu64 ",[", node->total, node->self);
    const char *before = "";
    for (const struct profile_node *child = node->child; child != NULL; child = child->next) {
        if (child->total >= least) {
            fputs(before, to);
            put_tree(to, child, least);
            before = ",";
        }
    }
    fputs("]]", to);
}

/* --- the table of functions --- */

struct top {
    const char *name;
    u64 self, total;
};

struct tops {
    struct top *list;
    size_t count, capacity;
};

static struct top *top_of(struct tops *tops, const char *name)
{
    for (size_t i = 0; i < tops->count; i++) {
        if (tops->list[i].name == name) {
            return &tops->list[i];
        }
    }
    if (tops->count == tops->capacity) {
        size_t capacity = tops->capacity * 2 + 256;
        void *bigger = realloc(tops->list, capacity * sizeof(*tops->list));
        if (bigger == NULL) {
            return NULL;
        }
        tops->list = bigger;
        tops->capacity = capacity;
    }
    tops->list[tops->count] = (struct top){name, 0, 0};
    return &tops->list[tops->count++];
}

/* `path`: the nodes above, so that a function that calls itself counts once. */
static void collect(struct tops *tops, const struct profile_node *node,
                    const struct profile_node **path, unsigned depth)
{
    struct top *top = top_of(tops, node->name);
    bool again = false;
    for (unsigned i = 0; i < depth; i++) {
        again |= path[i]->name == node->name;
    }
    if (top != NULL) {
        top->self += node->self;
        top->total += again ? 0 : node->total;
    }
    if (depth == METIC_SAMPLE_DEPTH + 4) {
        return;
    }
    path[depth] = node;
    for (const struct profile_node *child = node->child; child != NULL; child = child->next) {
        collect(tops, child, path, depth + 1);
    }
}

static int by_self(const void *a, const void *b)
{
    const struct top *x = a, *y = b;
    return x->self > y->self ? -1 : x->self < y->self;
}

static void put_top(struct profile *profile, FILE *to)
{
    struct tops tops = {0};
    const struct profile_node *path[METIC_SAMPLE_DEPTH + 8];
    collect(&tops, &profile->root, path, 0);
    if (tops.count != 0) {
        qsort(tops.list, tops.count, sizeof(*tops.list), by_self);
    }
    double all = profile->samples != 0 ? (double)profile->samples : 1;
    fputs("<h2>Functions</h2><table><tr><th>itself<th><th>with what it calls<th><th></tr>\n", to);
    for (size_t i = 0; i < tops.count && i < MAX_ROWS && tops.list[i].self != 0; i++) {
        fprintf(to, "<tr><td class=n>%.1f %%<td class=n>%" PRIu64 "<td class=n>%.1f %%<td class=n>%"
                    PRIu64 "<td>", 100 * (double)tops.list[i].self / all, tops.list[i].self,
                100 * (double)tops.list[i].total / all, tops.list[i].total);
        html_put_text(to, tops.list[i].name);
        fputc('\n', to);
    }
    fputs("</table>\n", to);
    free(tops.list);
}

/* --- the timeline --- */

static void put_timeline(struct profile *profile, FILE *to)
{
    u64 first = ~(u64)0, last = 0;
    for (size_t i = 0; i < profile->point_count; i++) {
        u64 ns = profile->points[i].ns;
        first = ns < first ? ns : first;
        last = ns > last ? ns : last;
    }
    u64 bin = last > first ? (last - first) / BINS + 1 : 1;
    u32 (*counts)[BINS][PROFILE_STATES] = calloc(profile->harts, sizeof(*counts));
    u32 irq[BINS] = {0};
    for (size_t i = 0; counts != NULL && i < profile->point_count; i++) {
        const struct profile_point *point = &profile->points[i];
        counts[point->hart][(point->ns - first) / bin][point->state]++;
    }
    for (size_t i = 0; i < profile->trap_count; i++) {
        const struct profile_point *trap = &profile->traps[i];
        if (trap->state == 1 && trap->ns >= first && (trap->ns - first) / bin < BINS) {
            irq[(trap->ns - first) / bin]++;
        }
    }
    fputs("time=[", to);
    for (unsigned hart = 0; counts != NULL && hart < profile->harts; hart++) {
        fputs(hart != 0 ? ",[" : "[", to);
        for (unsigned x = 0; x < BINS; x++) {
            const u32 *c = counts[hart][x];
            fprintf(to, "%s[%u,%u,%u,%u]", x != 0 ? "," : "", c[0], c[1], c[2], c[3]);
        }
        fputc(']', to);
    }
    fputs("],irq=[", to);
    for (unsigned x = 0; x < BINS; x++) {
        fprintf(to, "%s%u", x != 0 ? "," : "", irq[x]);
    }
    fprintf(to, "],bin='%.3g ms';</script>\n", (double)bin / 1e6);
    free(counts);
}

/* --- instructions --- */

static int by_count(const void *a, const void *b)
{
    const struct profile_mnemonic *x = a, *y = b;
    return x->count > y->count ? -1 : x->count < y->count;
}

static void put_mix(struct profile *profile, FILE *to)
{
    qsort(profile->mnemonics, profile->mnemonic_count, sizeof(profile->mnemonics[0]), by_count);
    double all = profile->samples != 0 ? (double)profile->samples : 1;
    fputs("<h2>Instructions</h2><p>", to);
    for (unsigned i = 0; i < profile->mnemonic_count && i < 30; i++) {
        fprintf(to, "%s %.1f&nbsp;%%%s", profile->mnemonics[i].text,
                100 * (double)profile->mnemonics[i].count / all,
                i + 1 < profile->mnemonic_count && i < 29 ? ", " : "");
    }
    fputs("</p>\n", to);
}

static void put_hot(struct profile *profile, FILE *to)
{
    struct profile_hot *most[MAX_HOT];
    unsigned count = profile_hot_most(&profile->hots, most, MAX_HOT);
    double all = profile->samples != 0 ? (double)profile->samples : 1;
    fputs("<h2>Hot code</h2><p>Blocks, and traces of hot paths: the guest's instructions with the "
          "samples in each, and what they were translated to.</p>\n", to);
    for (unsigned i = 0; i < count; i++) {
        const struct profile_hot *hot = most[i];
        fprintf(to, "<h3>%s at %016" PRIx64 " in ", hot->trace ? "Trace" : "Block", hot->head);
        html_put_text(to, hot->name);
        if (hot->task[0] != '\0') {
            fputs(" of ", to);
            html_put_text(to, hot->task);
        }
        fprintf(to, ": %" PRIu64 " samples, %.1f&nbsp;%%</h3>", hot->count,
                100 * (double)hot->count / all);
        profile_hot_write(most[i], to);
    }
    fprintf(to, "<p>%" PRIu64 " samples were in code that had no translation, since it was new or "
                "rare.</p>\n", profile->hots.elsewhere);
}

void profile_write_page(struct profile *profile, FILE *to)
{
    u64 all = profile->samples + profile->waits;
    fputs(head, to);
    fprintf(to, "<p>%" PRIu64 " samples, %s; %.1f %% of them of waiting harts, which the graph "
                "leaves out.</p>\n", all, profile->what,
            all != 0 ? 100 * (double)profile->waits / (double)all : 0.0);
    fputs("<h2>Flame graph</h2><p id=says>Point at a function; click to look into it, and again to "
          "come back.</p><div id=flame></div>\n<h2>Time</h2><p><i class=k style=\"background:"
          "#4c8bd0\"></i>user<i class=k style=\"background:#e08a3c\"></i>kernel<i class=k style=\""
          "background:#8a63c0\"></i>firmware<i class=k style=\"background:#e6e6e6\"></i>waits"
          "</p>\n",
          to);
    fprintf(to, "<canvas id=time width=%d height=%u></canvas>\n", 2 * BINS,
            46 * (profile->harts + 1));
    put_top(profile, to);
    if (profile->nameless * 50 > profile->samples) {
        fprintf(to, "<p>%.1f %% of the samples are in functions without names, which are told by "
                    "their pages: <code>--symbols FILE</code>, once for each program or library, "
                    "names them, and their callers where frame pointers do not lead to them.</p>\n",
                100 * (double)profile->nameless / (double)profile->samples);
    }
    put_mix(profile, to);
    put_hot(profile, to);
    fputs("<script>const tree=", to);
    put_tree(to, &profile->root, profile->samples / MIN_SHARE);
    fputs(",", to);
    put_timeline(profile, to);
    fputs(script, to);
}
