import { plural } from "../i18n/i18n";
import { Icon } from "../ui/Icon";

export function WarningsCard({ warnings }: { warnings: readonly string[] }) {
  if (warnings.length === 0) return null;
  return (
    <section class="card outcome" data-tone="warning" aria-labelledby="warnings">
      <Icon name="alert" size={22} />
      <div>
        <h2 id="warnings">{plural("warnings", warnings.length)}</h2>
        <ul>
          {warnings.map((warning) => (
            <li key={warning}>{warning}</li>
          ))}
        </ul>
      </div>
    </section>
  );
}
