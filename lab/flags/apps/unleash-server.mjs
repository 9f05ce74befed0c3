// Unleash on 127.0.0.1, with its tables in an empty database.
import { start } from 'unleash-server';

const { PORT, DATABASE_URL } = process.env;
const database = new URL(DATABASE_URL);
await start({
  db: {
    host: database.searchParams.get('host') ?? database.hostname,
    port: Number(database.port || 5432),
    user: decodeURIComponent(database.username),
    password: decodeURIComponent(database.password),
    database: database.pathname.slice(1),
    ssl: false,
  },
  server: { port: Number(PORT), host: '127.0.0.1' },
  versionCheck: { enable: false },
  telemetry: false,
});
