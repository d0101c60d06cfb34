/* user.c - access key -> user, from the monitors' command table, remembered for a while.
 *
 * The first request in the second half of that while has the answer renewed behind its back, so
 * that users in steady use never wait for the monitors, and these get one question for all of them.
 * That there is no such user is remembered, too, but only for seconds: a new user is not kept
 * waiting, and a client with a wrong key does not become a load on the monitors.  When the monitors
 * do not answer, a user that they named not long ago is still one: an election, or a cluster too
 * busy to answer in time, refuses nobody.  Secrets live in this cache and in the answer, nowhere
 * else. */
#include "core/base/hash.h"
#include "core/base/json.h"
#include "s3/bucket/bucket_int.h"

enum { COMMAND_MS = 10000 };

struct known_user {
    struct hnode node;
    struct list lru;
    uint64_t told_ns, until_ns; /* by the monitors; asked again after that */
    char access_key[S3_ACCESS_KEY_MAX + 1];
    bool exists, renewing;
    struct s3_user user;
};

struct user_req {
    struct req r; /* key: the access key */
    s3_user_fn *done;
    void *arg;
    bool renews; /* nobody waits for it */
    struct s3_user user;
};

int users_init(struct bucket_layer *l)
{
    return htable_init(&l->users, 64);
}

static void known_destroy(struct bucket_layer *l, struct known_user *k)
{
    list_remove(&k->lru);
    htable_remove(&l->users, &k->node);
    l->user_count--;
    explicit_bzero(k, sizeof(*k));
    mem_free(k);
}

void users_fini(struct bucket_layer *l)
{
    while (!list_empty(&l->user_lru))
        known_destroy(l, LIST_FIRST(&l->user_lru, struct known_user, lru));
    htable_fini(&l->users);
}

static struct known_user *known_find(struct bucket_layer *l, struct bytes key)
{
    uint64_t hash = hash64(0, key.data, key.len);

    for (struct hnode *n = htable_first(&l->users, hash); n; n = htable_next(n)) {
        struct known_user *k = CONTAINER_OF(n, struct known_user, node);

        if (bytes_equal(BYTES_STR(k->access_key), key))
            return k;
    }
    return NULL;
}

/* Not remembering is no failure. */
static void known_add(struct bucket_layer *l, struct bytes key, const struct s3_user *user)
{
    struct known_user *k = known_find(l, key);
    uint32_t ttl_ms = user ? l->conf.user_ttl_ms : l->conf.no_user_ttl_ms;

    if (k)
        known_destroy(l, k);
    if (l->user_count == USERS_CACHED_MAX)
        known_destroy(l, LIST_FIRST(&l->user_lru, struct known_user, lru));
    k = mem_zalloc(sizeof(*k));
    if (!k)
        return;
    memcpy(k->access_key, key.data, key.len);
    k->exists = user;
    if (user)
        k->user = *user;
    k->told_ns = env_now_ns(l->env);
    k->until_ns = k->told_ns + ttl_ms * NS_PER_MS;
    htable_insert(&l->users, &k->node, hash64(0, key.data, key.len));
    list_push_back(&l->user_lru, &k->lru);
    l->user_count++;
}

static int field_take(const json_t *o, const char *name, char *out, size_t bytes)
{
    const char *text = json_string_value(json_object_get(o, name));
    size_t len = text ? strlen(text) : 0;

    if (len == 0 || len >= bytes)
        return -R_MALFORMED;
    memcpy(out, text, len + 1);
    return 0;
}

static uint64_t quota_take(const json_t *o, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(json_object_get(o, "quota"), name));
}

static int user_parse(const void *json, size_t json_bytes, struct s3_user *out_user)
{
    json_t *o = json_parse(json, json_bytes, NULL);
    char state[16];
    int rc = o ? 0 : -R_MALFORMED;

    if (rc == 0)
        rc = field_take(o, "user", out_user->name, sizeof(out_user->name));
    if (rc == 0)
        rc = field_take(o, "access_key", out_user->access_key, sizeof(out_user->access_key));
    if (rc == 0)
        rc = field_take(o, "secret_key", out_user->secret_key, sizeof(out_user->secret_key));
    if (rc == 0)
        rc = field_take(o, "state", state, sizeof(state));
    if (rc == 0) {
        out_user->suspended = strcmp(state, "active") != 0;
        out_user->quota.bytes = quota_take(o, "bytes");
        out_user->quota.objects = quota_take(o, "objects");
    }
    json_decref(o);
    return rc;
}

/* Asked again a little later, so that not every request waits for monitors that are gone. */
static bool stale_take(struct user_req *q)
{
    struct bucket_layer *l = q->r.l;
    struct known_user *k = known_find(l, q->r.key);
    uint64_t now = env_now_ns(l->env);

    if (!k || !k->exists || now >= k->told_ns + l->conf.user_stale_ms * NS_PER_MS)
        return false;
    k->until_ns = MAX(k->until_ns, now + l->conf.no_user_ttl_ms * NS_PER_MS);
    q->user = k->user;
    return true;
}

static void user_told(void *arg, int rc, const char *text, const void *json, size_t json_bytes)
{
    struct user_req *q = arg;
    struct bucket_layer *l = q->r.l;

    UNUSED(text);
    if (rc == 0)
        rc = user_parse(json, json_bytes, &q->user);
    if (rc == 0 && !bytes_equal(BYTES_STR(q->user.access_key), q->r.key))
        rc = -R_MALFORMED;
    if (rc == 0)
        known_add(l, q->r.key, &q->user);
    else if (reason_errno(rc) == -ENOENT)
        known_add(l, q->r.key, NULL);
    else if (stale_take(q))
        rc = 0;
    if (rc < 0)
        op_fail(&q->r.op, reason_errno(rc) == -ENOENT ? -R_NO_USER : rc);
    op_finish(&q->r.op);
}

static void user_ask(struct user_req *q)
{
    char key[S3_ACCESS_KEY_MAX + 1] = {0};
    const char *argv[] = {"user", "find", key};
    int rc;

    memcpy(key, q->r.key.data, q->r.key.len);
    rc = cairn_command_env(q->r.l->cluster, ARRAY_LEN(argv), argv, NULL, 0, COMMAND_MS, user_told,
                           q);
    if (rc < 0)
        user_told(q, rc, NULL, NULL, 0);
}

static int user_begin(struct bucket_layer *l, struct bytes access_key, bool renews,
                      s3_user_fn *done, void *arg);

static void user_run(struct op *op)
{
    struct user_req *q = CONTAINER_OF(op, struct user_req, r.op);
    struct bucket_layer *l = q->r.l;
    struct known_user *k = known_find(l, q->r.key);
    uint64_t now = env_now_ns(l->env);

    if (q->renews || !k || now >= k->until_ns) {
        user_ask(q);
        return;
    }
    q->user = k->user;
    if (!k->exists) {
        op_fail(op, -R_NO_USER);
    } else if (!k->renewing && now - k->told_ns >= l->conf.user_ttl_ms * NS_PER_MS / 2) {
        k->renewing = true;
        if (user_begin(l, q->r.key, true, NULL, NULL) < 0)
            k->renewing = false; /* the next request tries again */
    }
    op_finish(op);
}

static void user_finish(struct req *r)
{
    struct user_req *q = CONTAINER_OF(r, struct user_req, r);

    if (q->renews) {
        struct known_user *k = known_find(r->l, r->key);

        if (k)
            k->renewing = false;
    } else {
        q->done(q->arg, r->op.rc, r->op.rc < 0 ? NULL : &q->user);
    }
    explicit_bzero(&q->user, sizeof(q->user));
}

/* What cannot be an access key is nobody's. */
static bool key_plausible(struct bytes key)
{
    for (uint32_t i = 0; i < key.len; i++)
        if (key.data[i] <= ' ' || key.data[i] > '~')
            return false;
    return key.len > 0 && key.len <= S3_ACCESS_KEY_MAX;
}

static int user_begin(struct bucket_layer *l, struct bytes access_key, bool renews,
                      s3_user_fn *done, void *arg)
{
    static const struct s3_principal nobody = {.anonymous = false};
    struct user_req *q;
    int rc;

    q = req_create(sizeof(*q), l, &nobody, (struct bytes){0}, access_key, user_run, &rc);
    if (!q)
        return rc;
    q->done = done;
    q->arg = arg;
    q->renews = renews;
    req_start(&q->r, user_finish, NULL);
    return 0;
}

int bucket_user(struct bucket_layer *l, struct bytes access_key, s3_user_fn *done, void *arg)
{
    if (!key_plausible(access_key))
        return -R_NO_USER;
    return user_begin(l, access_key, false, done, arg);
}
