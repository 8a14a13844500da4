/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "daemon/core/router.h"

#define CACHE_SLOTS 256u

struct targets {
        void **items;
        unsigned n, capacity;
};

struct node {
        UT_hash_handle hh; /* in parent->children, by token */
        struct node *parent;
        struct node *children;   /* by exact token; `*` is one of them */
        struct targets here;     /* patterns that end here */
        struct targets and_more; /* patterns that end here with `>` */
        uint8_t token_bytes;
        char token[];
};

struct cached {
        uint64_t generation; /* of the router, when it was matched; 0: empty */
        uint8_t subject_bytes;
        char subject[WIRE_SUBJECT_BYTES_MAX];
        struct targets targets;
};

struct router {
        struct node *root;
        uint64_t generation;
        struct cached *cache[CACHE_SLOTS];
};

static int targets_add(struct targets *t, void *target) {
        void **items;

        for (unsigned i = 0; i < t->n; i++)
                if (t->items[i] == target)
                        return 0;
        if (t->n == t->capacity) {
                unsigned capacity = t->capacity ? t->capacity * 2 : 1;

                items = realloc(t->items, capacity * sizeof(*items));
                if (!items)
                        return -ENOMEM;
                t->items = items;
                t->capacity = capacity;
        }
        t->items[t->n++] = target;
        return 1;
}

static int targets_remove(struct targets *t, const void *target) {
        for (unsigned i = 0; i < t->n; i++)
                if (t->items[i] == target) {
                        memmove(t->items + i, t->items + i + 1, (t->n - i - 1) * sizeof(*t->items));
                        t->n--;
                        return 1;
                }
        return 0;
}

static int targets_merge(struct targets *t, const struct targets *more) {
        int r;

        for (unsigned i = 0; i < more->n; i++) {
                r = targets_add(t, more->items[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static struct node *node_new(struct node *parent, const char *token, size_t bytes) {
        struct node *node = calloc(1, sizeof(*node) + bytes);

        if (!node)
                return NULL;
        node->parent = parent;
        node->token_bytes = (uint8_t) bytes;
        memcpy(node->token, token, bytes);
        if (parent) {
                HASH_ADD_KEYPTR(hh, parent->children, node->token, bytes, node);
                if (!node->hh.tbl) {
                        free(node);
                        return NULL;
                }
        }
        return node;
}

static void node_free(struct node *node) {
        struct node *child, *next;

        HASH_ITER (hh, node->children, child, next) {
                HASH_DELETE(hh, node->children, child);
                node_free(child);
        }
        free(node->here.items);
        free(node->and_more.items);
        free(node);
}

/* Frees nodes upwards from `node` as long as nothing hangs on them. */
static void prune(struct node *node) {
        while (node->parent && !node->children && node->here.n == 0 && node->and_more.n == 0) {
                struct node *parent = node->parent;

                HASH_DELETE(hh, parent->children, node);
                node_free(node);
                node = parent;
        }
}

static struct node *child_of(const struct node *node, const char *token, size_t bytes) {
        struct node *child = NULL;

        if (node->children)
                HASH_FIND(hh, node->children, token, bytes, child);
        return child;
}

/* Cuts the next token off *rest. */
static struct wire_span next_token(struct wire_span *rest) {
        const uint8_t *dot = memchr(rest->data, '.', rest->size);
        struct wire_span token = {rest->data, dot ? (size_t) (dot - rest->data) : rest->size};
        size_t skip = token.size + (dot ? 1 : 0);

        rest->data += skip;
        rest->size -= skip;
        return token;
}

static bool is_more(struct wire_span token) {
        return token.size == 1 && token.data[0] == '>';
}

int router_new(struct router **ret) {
        struct router *router = calloc(1, sizeof(*router));

        if (!router)
                return -ENOMEM;
        router->root = node_new(NULL, "", 0);
        if (!router->root) {
                free(router);
                return -ENOMEM;
        }
        router->generation = 1;
        *ret = router;
        return 0;
}

struct router *router_free(struct router *router) {
        if (!router)
                return NULL;
        for (unsigned i = 0; i < CACHE_SLOTS; i++)
                if (router->cache[i]) {
                        free(router->cache[i]->targets.items);
                        free(router->cache[i]);
                }
        node_free(router->root);
        free(router);
        return NULL;
}

uint64_t router_generation(const struct router *router) {
        return router->generation;
}

int router_add(struct router *router, struct wire_span pattern, void *target) {
        struct node *node = router->root, *child;
        struct targets *targets = &node->here;
        int r;

        while (pattern.size > 0) {
                struct wire_span token = next_token(&pattern);

                if (is_more(token)) {
                        targets = &node->and_more;
                        break;
                }
                child = child_of(node, (const char *) token.data, token.size);
                if (!child)
                        child = node_new(node, (const char *) token.data, token.size);
                if (!child) {
                        prune(node);
                        return -ENOMEM;
                }
                node = child;
                targets = &node->here;
        }
        r = targets_add(targets, target);
        if (r > 0)
                router->generation++;
        else
                prune(node);
        return r;
}

int router_remove(struct router *router, struct wire_span pattern, void *target) {
        struct node *node = router->root;
        struct targets *targets = &node->here;

        while (pattern.size > 0) {
                struct wire_span token = next_token(&pattern);

                if (is_more(token)) {
                        targets = &node->and_more;
                        break;
                }
                node = child_of(node, (const char *) token.data, token.size);
                if (!node)
                        return 0;
                targets = &node->here;
        }
        if (targets_remove(targets, target) == 0)
                return 0;
        router->generation++;
        prune(node);
        return 1;
}

static int match_node(const struct node *node, struct wire_span rest, struct targets *found) {
        struct wire_span token;
        const struct node *child;
        int r;

        if (rest.size == 0)
                return targets_merge(found, &node->here);
        r = targets_merge(found, &node->and_more);
        if (r < 0)
                return r;
        token = next_token(&rest);
        child = child_of(node, (const char *) token.data, token.size);
        if (child) {
                r = match_node(child, rest, found);
                if (r < 0)
                        return r;
        }
        child = child_of(node, "*", 1);
        return child ? match_node(child, rest, found) : 0;
}

static struct cached **cache_slot(struct router *router, struct wire_span subject) {
        uint32_t h = 2166136261u; /* FNV-1a over the last bytes, where subjects differ most */
        size_t from = subject.size > 16 ? subject.size - 16 : 0;

        for (size_t i = from; i < subject.size; i++)
                h = (h ^ subject.data[i]) * 16777619u;
        return &router->cache[(h ^ h >> 16) % CACHE_SLOTS];
}

int router_match(struct router *router, struct wire_span subject, void *const **ret) {
        struct cached **slot = cache_slot(router, subject), *c = *slot;
        int r;

        if (!c) {
                c = *slot = calloc(1, sizeof(*c));
                if (!c)
                        return -ENOMEM;
        }
        if (c->generation != router->generation || c->subject_bytes != subject.size ||
            memcmp(c->subject, subject.data, subject.size) != 0) {
                c->generation = 0;
                c->targets.n = 0;
                r = match_node(router->root, subject, &c->targets);
                if (r < 0)
                        return r;
                memcpy(c->subject, subject.data, subject.size);
                c->subject_bytes = (uint8_t) subject.size;
                c->generation = router->generation;
        }
        *ret = c->targets.items;
        return (int) c->targets.n;
}
