-- A secret that is encrypted anew is the same secret: its endpoint's `updated_at` stays, and no cache drops it. Running
-- processes of the version before go on.

DROP TRIGGER endpoint_secret_change ON endpoint_secret;
CREATE TRIGGER endpoint_secret_change AFTER INSERT OR DELETE OR UPDATE OF expires_at ON endpoint_secret
  FOR EACH ROW EXECUTE FUNCTION touch_endpoint();
