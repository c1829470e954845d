// The tests' own door, closed to whoever lacks the token that Python drew: faults, keys, clients, users, the journal.

function reply(res, status, value) {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

const commands = {
  'GET journal': ({ journal }) => journal.entries(),
  'DELETE journal': ({ journal }) => journal.clear() ?? {},
  'DELETE faults': ({ provider }) => provider.faults.clear() ?? {},
  'PUT faults': ({ provider }, faults) => {
    for (const [route, fault] of Object.entries(faults)) provider.faults.set(route, fault);
    return {};
  },
  'POST keys': async ({ provider }, { publish_old: publishOld }) => ({ kids: await provider.rotate({ publishOld }) }),
  'PUT clients': async ({ provider, config }, clients) => {
    const previous = config.clients;
    config.clients = clients;
    try {
      await provider.start();
    } catch (error) {
      config.clients = previous;
      throw error;
    }
    return {};
  },
  'PUT users': ({ config }, users) => {
    config.users = users;
    return {};
  },
};

export async function administer(context, path, req, res) {
  const command = commands[`${req.method} ${path}`];
  if (req.headers.authorization !== `Bearer ${context.config.admin_token}` || !command) {
    reply(res, 404, {});
    return;
  }
  try {
    reply(res, 200, await command(context, req.body.length ? JSON.parse(req.body) : null));
  } catch (error) {
    reply(res, 400, { error: error.error_description ?? error.message });
  }
}
